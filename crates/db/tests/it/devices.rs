use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    DeviceId, PageRequest,
    deployment::{Context, TargetState},
    device::{CertificateState, Device, DeviceState, EndReason, InstalledApp},
};
use qm_db::{Db, DbError, Tx, certificates, commands, device_apps, devices, devices::DeviceFilter, sessions};
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn a_device_comes_back_as_it_was_stored() {
    on_both(async |db: &Db, make: &Make| {
        let full = make.stored_device(db, "ann@contoso.example").await;
        let bare = Device {
            os_version: None,
            manufacturer: None,
            model: None,
            architecture: None,
            last_seen_at: None,
            inventory_at: None,
            settings_at: None,
            apps_read_at: None,
            user_apps_read_at: None,
            apps_due: false,
            details: BTreeMap::new(),
            ..make.device("bob@contoso.example")
        };
        write(db, async |tx| devices::insert(tx, &bare).await.unwrap()).await;
        let mut conn = db.read().await.unwrap();
        assert_eq!(
            devices::find(&mut conn, full.id).await.unwrap(),
            Some(full.clone())
        );
        assert_eq!(devices::find(&mut conn, bare.id).await.unwrap(), Some(bare));
        assert_eq!(devices::find(&mut conn, make.id()).await.unwrap(), None);
        drop(conn);
        let mut tx = db.begin("test").await.unwrap();
        let again = devices::insert(&mut tx, &full).await;
        assert!(matches!(again, Err(DbError::Conflict { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_check_in_reads_everything_in_one_statement() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, targets) = make
            .stored_deployment(db, &[TargetState::Queued, TargetState::Planned])
            .await;
        let device = targets[0].device_id;
        let certificate = make.certificate(device, at(900));
        let revoked = qm_core::device::DeviceCertificate {
            state: CertificateState::Revoked,
            ..make.certificate(targets[1].device_id, at(900))
        };
        let session = make.session(device, "3C", NOON);
        write(db, async |tx| {
            certificates::insert(tx, &certificate).await.unwrap();
            certificates::insert(tx, &revoked).await.unwrap();
            sessions::upsert(tx, &session).await.unwrap();
            commands::insert(tx, &make.command(device)).await.unwrap();
            commands::insert(tx, &make.command(device)).await.unwrap();
        })
        .await;

        let mut conn = db.read().await.unwrap();
        let found = devices::check_in(&mut conn, &certificate.fingerprint, "3C")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(conn.statements(), 1);
        assert_eq!(
            found.device,
            devices::find(&mut conn, device).await.unwrap().unwrap()
        );
        let standing = devices::Standing {
            state: certificate.state,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        };
        assert_eq!(found.certificate, standing);
        assert_eq!(found.session, Some(session));
        assert_eq!((found.open_commands, found.live_targets), (2, 1));

        let other = devices::check_in(&mut conn, &certificate.fingerprint, "3c")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(other.session, None, "a SessionID is compared byte for byte");
        let planned = devices::check_in(&mut conn, &revoked.fingerprint, "1")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(planned.certificate.state, CertificateState::Revoked);
        assert_eq!(
            (planned.open_commands, planned.live_targets),
            (0, 0),
            "{deployment:?}"
        );
        assert_eq!(
            devices::check_in(&mut conn, &make.digest(), "3C").await.unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn lists_filter_search_and_page() {
    on_both(async |db: &Db, make: &Make| {
        let mut ids = Vec::new();
        for n in 0..5 {
            let upn = if n % 2 == 0 {
                "ann@contoso.example"
            } else {
                "bob@contoso.example"
            };
            let device = Device {
                name: format!("PC-{n}%"),
                ..make.device(upn)
            };
            write(db, async |tx| devices::insert(tx, &device).await.unwrap()).await;
            ids.push(device.id);
        }
        write(db, async |tx| {
            assert!(devices::end(tx, ids[4], EndReason::User, at(5)).await.unwrap());
            assert!(!devices::end(tx, ids[4], EndReason::Revoked, at(6)).await.unwrap());
        })
        .await;
        let listed = async |filter: DeviceFilter| {
            let mut conn = db.read().await.unwrap();
            let page = devices::list(&mut conn, &filter, PageRequest::first(100))
                .await
                .unwrap();
            page.items
                .iter()
                .map(|d| ids.iter().position(|id| *id == d.id).unwrap())
                .collect::<Vec<_>>()
        };
        let upn = |upn: &str| DeviceFilter {
            upn: Some(upn.to_owned()),
            ..DeviceFilter::default()
        };
        let q = |q: &str| DeviceFilter {
            q: Some(q.to_owned()),
            ..DeviceFilter::default()
        };
        assert_eq!(listed(DeviceFilter::default()).await, [4, 3, 2, 1, 0]);
        assert_eq!(listed(upn("ann@contoso.example")).await, [4, 2, 0]);
        let enrolled = DeviceFilter {
            enrolled: Some(true),
            ..upn("ann@contoso.example")
        };
        assert_eq!(listed(enrolled).await, [2, 0]);
        assert_eq!(
            listed(DeviceFilter {
                enrolled: Some(false),
                ..DeviceFilter::default()
            })
            .await,
            [4]
        );
        assert_eq!(listed(q("pc-3")).await, [3]);
        assert_eq!(listed(q("BOB@")).await, [3, 1]);
        assert_eq!(listed(q("slate")).await, [4, 3, 2, 1, 0]);
        assert_eq!(
            listed(q("%")).await.len(),
            5,
            "a wildcard is an ordinary character"
        );
        assert_eq!(listed(q("_C-")).await, [0; 0]);
        assert_eq!(
            listed(DeviceFilter {
                q: Some("pc-3".to_owned()),
                ..upn("ann@contoso.example")
            })
            .await,
            [0; 0]
        );

        let mut conn = db.read().await.unwrap();
        let all = DeviceFilter::default();
        let first = devices::list(&mut conn, &all, PageRequest::first(2))
            .await
            .unwrap();
        assert_eq!(first.next, Some(ids[3].0));
        let next = PageRequest {
            limit: 3,
            after: first.next,
        };
        let rest = devices::list(&mut conn, &all, next).await.unwrap();
        assert_eq!(
            rest.items.iter().map(|d| d.id).collect::<Vec<_>>(),
            [ids[2], ids[1], ids[0]]
        );
        assert_eq!(rest.next, None);
        let counts = devices::counts(&mut conn).await.unwrap();
        assert_eq!(
            counts,
            BTreeMap::from([(DeviceState::Active, 4), (DeviceState::Ended, 1)])
        );
    })
    .await;
}

#[tokio::test]
async fn sets_of_devices_leave_out_those_that_have_left() {
    on_both(async |db: &Db, make: &Make| {
        let ann = make.stored_device(db, "ann@contoso.example").await;
        let bob = make.stored_device(db, "bob@contoso.example").await;
        let gone = make.stored_device(db, "ann@contoso.example").await;
        write(db, async |tx| {
            devices::end(tx, gone.id, EndReason::Server, NOON).await.unwrap()
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let ids = |found: Vec<Device>| found.into_iter().map(|d| d.id).collect::<BTreeSet<DeviceId>>();
        let asked = [ann.id, gone.id, bob.id, make.id()];
        assert_eq!(
            ids(devices::by_ids(&mut conn, &asked).await.unwrap()),
            BTreeSet::from([ann.id, bob.id])
        );
        assert_eq!(
            ids(devices::by_ids(&mut conn, &[]).await.unwrap()),
            BTreeSet::new()
        );
        let upns = [
            "ann@contoso.example".to_owned(),
            "nobody@contoso.example".to_owned(),
        ];
        assert_eq!(
            ids(devices::by_upns(&mut conn, &upns).await.unwrap()),
            BTreeSet::from([ann.id])
        );
    })
    .await;
}

#[tokio::test]
async fn re_enrollments_find_their_predecessors_and_claimed_ids_their_owner() {
    on_both(async |db: &Db, make: &Make| {
        let old = make.stored_device(db, "ann@contoso.example").await;
        let new = Device {
            hardware_id: old.hardware_id.clone(),
            dm_id: old.dm_id.clone(),
            state: DeviceState::Provisional,
            ..make.device("ann@contoso.example")
        };
        let clone = Device {
            hardware_id: old.hardware_id.clone(),
            ..make.device("bob@contoso.example")
        };
        write(db, async |tx| {
            devices::insert(tx, &new).await.unwrap();
            devices::insert(tx, &clone).await.unwrap();
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let found = devices::predecessors(&mut conn, &new.hardware_id, &new.upn, new.id)
            .await
            .unwrap();
        assert_eq!(found, std::slice::from_ref(&old));
        let owner = devices::other_live_device_with_dm_id(&mut conn, &new.dm_id, new.id)
            .await
            .unwrap();
        assert_eq!(owner, Some(old.clone()));
        drop(conn);
        write(db, async |tx| {
            devices::end(tx, old.id, EndReason::Superseded, NOON)
                .await
                .unwrap();
            assert!(devices::set_state(tx, new.id, DeviceState::Active).await.unwrap());
            assert!(
                !devices::set_state(tx, old.id, DeviceState::Active).await.unwrap(),
                "the end is final"
            );
            let owner = devices::other_live_device_with_dm_id(tx, &new.dm_id, new.id)
                .await
                .unwrap();
            assert_eq!(owner, None);
            let ended = devices::find(tx, old.id).await.unwrap().unwrap();
            assert_eq!(
                (ended.state, ended.end_reason),
                (DeviceState::Ended, Some(EndReason::Superseded))
            );
            assert_eq!(ended.ended_at, Some(NOON));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn only_old_provisional_enrollments_expire() {
    on_both(async |db: &Db, make: &Make| {
        let provisional = Device {
            state: DeviceState::Provisional,
            ..make.device("ann@contoso.example")
        };
        let fresh = Device {
            enrolled_at: at(60),
            id: make.id(),
            ..provisional.clone()
        };
        write(db, async |tx| {
            devices::insert(tx, &provisional).await.unwrap();
            devices::insert(tx, &fresh).await.unwrap();
            devices::insert(tx, &make.device("ann@contoso.example"))
                .await
                .unwrap();
            let expired = devices::expire_provisional(tx, at(30), at(90)).await.unwrap();
            assert_eq!(expired, [provisional.id]);
            assert_eq!(devices::expire_provisional(tx, at(30), at(90)).await.unwrap(), []);
            let ended = devices::find(tx, provisional.id).await.unwrap().unwrap();
            assert_eq!(
                (ended.end_reason, ended.ended_at),
                (Some(EndReason::Expired), Some(at(90)))
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn last_contacts_are_noted_together_and_never_go_back() {
    on_both(async |db: &Db, make: &Make| {
        let seen = make.stored_device(db, "ann@contoso.example").await;
        let unseen = Device {
            last_seen_at: None,
            ..make.device("bob@contoso.example")
        };
        write(db, async |tx| {
            devices::insert(tx, &unseen).await.unwrap();
            devices::touch(tx, &[]).await.unwrap();
            let contacts = [
                (seen.id, at(-5)),
                (unseen.id, at(7)),
                (unseen.id, at(9)),
                (unseen.id, at(8)),
            ];
            let before = tx.statements();
            devices::touch(tx, &contacts).await.unwrap();
            assert_eq!(tx.statements() - before, 1);
            assert_eq!(
                devices::find(tx, seen.id).await.unwrap().unwrap().last_seen_at,
                Some(NOON)
            );
            assert_eq!(
                devices::find(tx, unseen.id).await.unwrap().unwrap().last_seen_at,
                Some(at(9))
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn inventory_is_stored_and_leaves_the_rest_alone() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await;
        let found = Device {
            name: "RENAMED".to_owned(),
            os_version: "10.0.26100.1".parse().ok(),
            manufacturer: None,
            model: Some("Slate 4".to_owned()),
            architecture: None,
            inventory_at: Some(at(50)),
            settings_at: None,
            details: BTreeMap::from([("./DevDetail/HwV".to_owned(), "2".to_owned())]),
            ..device.clone()
        };
        write(db, async |tx| {
            let ignored = Device {
                upn: "eve@contoso.example".to_owned(),
                apps_due: false,
                ..found.clone()
            };
            devices::update_inventory(tx, &ignored).await.unwrap();
            assert_eq!(devices::find(tx, device.id).await.unwrap(), Some(found));
            let both = [Context::Device, Context::User];
            device_apps::replace(tx, device.id, &both, &[], at(60))
                .await
                .unwrap();
            let apps = async |tx: &mut Tx| {
                let found = devices::find(tx, device.id).await.unwrap().unwrap();
                (found.apps_due, found.user_apps_read_at)
            };
            assert_eq!(apps(tx).await, (false, Some(at(60))));
            devices::want_apps(tx, &[device.id, make.id()], &[Context::User])
                .await
                .unwrap();
            assert_eq!(apps(tx).await, (false, None));
            devices::want_apps(tx, &[device.id], &both).await.unwrap();
            assert_eq!(apps(tx).await, (true, None));
            device_apps::replace(tx, device.id, &[Context::User], &[], at(70))
                .await
                .unwrap();
            assert_eq!(
                apps(tx).await,
                (true, Some(at(70))),
                "each context has its own age"
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_app_inventory_replaces_only_the_contexts_it_read() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let app = |name: &str, context| InstalledApp {
            package_family_name: format!("{name}_8wekyb3d8bbwe"),
            package_full_name: format!("{name}_1.0.0.0_x64__8wekyb3d8bbwe"),
            version: "1.0.0.0".to_owned(),
            install_location: Some(format!("C:\\Program Files\\WindowsApps\\{name}")),
            source: Some("AppStore".to_owned()),
            users: None,
            context,
            provisioned: None,
        };
        let (user, machine) = (Context::User, Context::Device);
        let both = [app("A", user), app("B", user), app("A", machine), app("A", user)];
        write(db, async |tx| {
            device_apps::replace(tx, device, &[user, machine], &both, at(10))
                .await
                .unwrap();
            let device = devices::find(tx, device).await.unwrap().unwrap();
            assert_eq!((device.apps_read_at, device.apps_due), (Some(at(10)), false));
        })
        .await;
        let newer = InstalledApp {
            provisioned: Some(true),
            users: Some("S-1-5".to_owned()),
            ..app("B", user)
        };
        let foreign = app("C", machine);
        write(db, async |tx| {
            let found = [newer.clone(), foreign];
            device_apps::replace(tx, device, &[user], &found, at(20))
                .await
                .unwrap();
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let first = device_apps::list(&mut conn, device, PageRequest::first(1))
            .await
            .unwrap();
        assert_eq!(first.items, [app("A", machine)]);
        let next = PageRequest {
            limit: 1,
            after: first.next,
        };
        let second = device_apps::list(&mut conn, device, next).await.unwrap();
        assert_eq!((second.items, second.next), (vec![newer], None));
        assert_eq!(device_apps::all(&mut conn, device).await.unwrap().len(), 2);
        drop(conn);
        write(db, async |tx| {
            device_apps::replace(tx, device, &[user], &[], at(30))
                .await
                .unwrap();
            assert_eq!(device_apps::all(tx, device).await.unwrap(), [app("A", machine)]);
            device_apps::delete(tx, device).await.unwrap();
            assert_eq!(device_apps::all(tx, device).await.unwrap(), []);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_one_enrolled_device() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await;
        let certificate = make.certificate(device.id, at(100));
        write(db, async |tx| {
            certificates::insert(tx, &certificate).await.unwrap();
            for (key, dm_id, taken) in [
                (certificate.public_key, "another", true),
                (certificate.public_key, device.dm_id.as_str(), false),
                (make.digest(), "another", false),
            ] {
                let found = certificates::is_key_of_another(tx, &key, dm_id).await.unwrap();
                assert_eq!(found, taken, "{dm_id}");
            }
            devices::set_state(tx, device.id, DeviceState::Ended)
                .await
                .unwrap();
            let found = certificates::is_key_of_another(tx, &certificate.public_key, "another").await;
            assert!(!found.unwrap());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn certificates_are_superseded_and_revoked() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let other = make.stored_device(db, "bob@contoso.example").await.id;
        let (old, new) = (
            make.certificate(device, at(100)),
            make.certificate(device, at(200)),
        );
        let foreign = make.certificate(other, at(300));
        write(db, async |tx| {
            for certificate in [&old, &new, &foreign] {
                certificates::insert(tx, certificate).await.unwrap();
            }
            let orphan = certificates::find(tx, &make.digest()).await.unwrap();
            assert_eq!(orphan, None);
        })
        .await;
        let mut conn = db.read().await.unwrap();
        assert_eq!(
            certificates::newest_active(&mut conn, device).await.unwrap(),
            Some(new.clone())
        );
        assert_eq!(
            certificates::for_device(&mut conn, device).await.unwrap(),
            [new.clone(), old.clone()]
        );
        let newest = certificates::newest_of(&mut conn, &[device, other, make.id()])
            .await
            .unwrap();
        assert_eq!(newest.len(), 2);
        assert!(newest.contains(&new) && newest.contains(&foreign));
        drop(conn);
        write(db, async |tx| {
            assert_eq!(
                certificates::supersede_others(tx, device, &new.fingerprint)
                    .await
                    .unwrap(),
                1
            );
            let found = certificates::find(tx, &old.fingerprint).await.unwrap().unwrap();
            assert_eq!(found.state, CertificateState::Superseded);
            assert!(
                certificates::set_state(tx, &new.fingerprint, CertificateState::Revoked)
                    .await
                    .unwrap()
            );
            assert_eq!(certificates::newest_active(tx, device).await.unwrap(), None);
            assert!(
                !certificates::set_state(tx, &make.digest(), CertificateState::Revoked)
                    .await
                    .unwrap()
            );
            certificates::revoke_for_device(tx, device).await.unwrap();
            let found = certificates::find(tx, &old.fingerprint).await.unwrap().unwrap();
            assert_eq!(found.state, CertificateState::Revoked);
            assert_eq!(
                certificates::newest_active(tx, other).await.unwrap(),
                Some(foreign)
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn rows_of_unknown_devices_are_refused() {
    on_both(async |db: &Db, make: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        let orphan = certificates::insert(&mut tx, &make.certificate(make.id(), at(1))).await;
        assert!(matches!(orphan, Err(DbError::MissingReference(_))), "{orphan:?}");
    })
    .await;
}

#[tokio::test]
async fn a_locked_device_is_worked_on_by_one_transaction_at_a_time() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let mut first = db.begin("test").await.unwrap();
        devices::lock(&mut first, &[device]).await.unwrap();
        let second = tokio::spawn({
            let db = db.clone();
            async move {
                let mut tx = db.begin("test").await.unwrap();
                devices::lock(&mut tx, &[device]).await.unwrap();
                devices::find(&mut tx, device).await.unwrap().unwrap().state
            }
        });
        devices::set_state(&mut first, device, DeviceState::Leaving)
            .await
            .unwrap();
        assert!(!second.is_finished());
        first.commit().await.unwrap();
        assert_eq!(
            second.await.unwrap(),
            DeviceState::Leaving,
            "it sees what the first one wrote"
        );
        write(db, async |tx| devices::lock(tx, &[make.id()]).await.unwrap()).await;
    })
    .await;
}
