//! Deployments to selections of devices: which devices are meant, and that each gets one target.

use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    Architecture, DeviceId, Version,
    deployment::{Deployment, Intent, Target, TargetState as S},
    device::{Device, EndReason},
    group::Group,
    seat::SeatState,
};
use qm_db::{
    Db, devices, groups, seats,
    selection::{self, Kind, Missing, Selection},
    targets,
};
use std::collections::{BTreeMap, BTreeSet};

const ANN: &str = "ann@contoso.example";
const BOB: &str = "bob@contoso.example";
const OLD: Version = Version([10, 0, 19045, 1]);
const NEW: Version = Version([10, 0, 26100, 1]);

/// Ann's two devices and Bob's one that is enrolled, all in one group, and one of Bob's that has left.
struct Office {
    old: Device,
    new: Device,
    bare: Device,
    gone: Device,
    group: Group,
}

impl Office {
    async fn open(db: &Db, make: &Make) -> Self {
        let of = |upn, architecture, os_version| Device {
            architecture,
            os_version,
            ..make.device(upn)
        };
        let old = of(ANN, Some(Architecture::X64), Some(OLD));
        let new = of(ANN, Some(Architecture::Arm64), Some(NEW));
        let bare = of(BOB, None, None);
        let gone = of(BOB, Some(Architecture::X64), Some(OLD));
        let all = [&old, &new, &bare, &gone];
        let group = make.group("office", all.iter().map(|device| device.id).collect());
        write(db, async |tx| {
            for device in all {
                devices::insert(tx, device).await.unwrap();
            }
            devices::end(tx, gone.id, EndReason::User, NOON).await.unwrap();
            groups::create(tx, &group).await.unwrap();
        })
        .await;
        Self {
            old,
            new,
            bare,
            gone,
            group,
        }
    }

    fn everybody(&self) -> Selection {
        Selection {
            devices: vec![self.old.id, self.old.id],
            groups: vec![self.group.id],
            users: vec![ANN.to_owned()],
        }
    }
}

fn kind(device: &Device) -> Kind {
    Kind {
        architecture: device.architecture,
        os_version: device.os_version,
    }
}

fn pattern(make: &Make, deployment: &Deployment, device: &Device, state: S) -> Target {
    Target {
        deadline: Some(at(70)),
        ..make.target(deployment, device, state)
    }
}

#[tokio::test]
async fn a_selection_means_each_enrolled_device_once() {
    on_both(async |db: &Db, make: &Make| {
        let office = Office::open(db, make).await;
        let mut conn = db.read().await.unwrap();
        let kinds = selection::kinds(&mut conn, &office.everybody()).await.unwrap();
        let expected = [&office.old, &office.new, &office.bare].map(|device| (kind(device), 1));
        assert_eq!(
            kinds.into_iter().collect::<BTreeSet<_>>(),
            BTreeSet::from(expected)
        );
        let nobody = selection::kinds(&mut conn, &Selection::default()).await.unwrap();
        assert_eq!(nobody, []);
        let missing = selection::missing(&mut conn, &office.everybody()).await.unwrap();
        assert_eq!(missing, Missing::default());
        let strangers = Selection {
            devices: vec![office.gone.id, office.new.id],
            groups: vec![make.id()],
            users: vec!["eve@contoso.example".to_owned(), BOB.to_owned()],
        };
        let missing = selection::missing(&mut conn, &strangers).await.unwrap();
        assert_eq!(
            (missing.devices, missing.groups),
            (vec![office.gone.id], strangers.groups)
        );
        assert_eq!(missing.users, ["eve@contoso.example"]);
    })
    .await;
}

#[tokio::test]
async fn devices_are_found_by_their_kinds() {
    on_both(async |db: &Db, make: &Make| {
        let office = Office::open(db, make).await;
        let everybody = office.everybody();
        let mut conn = db.read().await.unwrap();
        let kinds = [kind(&office.old), kind(&office.bare)];
        let found = selection::devices_of(&mut conn, &everybody, &kinds)
            .await
            .unwrap();
        let expected = [(office.old.id, kinds[0]), (office.bare.id, kinds[1])];
        assert_eq!(
            found.into_iter().collect::<BTreeSet<_>>(),
            BTreeSet::from(expected)
        );
        let none = selection::devices_of(&mut conn, &everybody, &[]).await.unwrap();
        assert_eq!(none, []);
        let example = async |conn: &mut _, busy: &[DeviceId]| {
            let found = selection::example(conn, &everybody, (&kinds, busy))
                .await
                .unwrap();
            found.map(|device| device.id)
        };
        assert_eq!(example(&mut conn, &[]).await, Some(office.new.id));
        assert_eq!(example(&mut conn, &[office.new.id]).await, None);
    })
    .await;
}

#[tokio::test]
async fn each_selected_device_gets_the_target_of_its_kind() {
    on_both(async |db: &Db, make: &Make| {
        let office = Office::open(db, make).await;
        let app = make.stored_app(db, "Notes").await;
        let deployment = make.deployment(app.id, Intent::Required);
        let judged = [
            (
                kind(&office.old),
                pattern(make, &deployment, &office.old, S::Queued),
            ),
            (
                kind(&office.new),
                pattern(make, &deployment, &office.new, S::Queued),
            ),
        ];
        let otherwise = Target {
            deadline: Some(at(90)),
            ..pattern(make, &deployment, &office.bare, S::Planned)
        };
        let busy = [office.new.id];
        write(db, async |tx| {
            qm_db::deployments::insert(tx, &deployment).await.unwrap();
            let everybody = office.everybody();
            targets::insert_selected(tx, &deployment, &everybody, &busy, &judged, &otherwise)
                .await
                .unwrap();
            let page = qm_core::PageRequest::first(10);
            let stored = targets::list(tx, deployment.id, None, page).await.unwrap().items;
            let of = |device: &Device| {
                stored
                    .iter()
                    .find(|target| target.device_id == device.id)
                    .unwrap()
            };
            assert_eq!(stored.len(), 2, "{stored:?}");
            assert!(stored.is_sorted_by_key(|target| target.device_id), "{stored:?}");
            let told = of(&office.old);
            assert_eq!(
                *told,
                Target {
                    id: told.id,
                    ..judged[0].1.clone()
                }
            );
            let unjudged = of(&office.bare);
            assert_eq!(
                *unjudged,
                Target {
                    id: unjudged.id,
                    ..otherwise.clone()
                }
            );
            for target in &stored {
                assert_eq!(target.id.0.get_version_num(), 7);
                let (seconds, nanos) = target.id.0.get_timestamp().unwrap().to_unix();
                let millis = i64::try_from(seconds).unwrap() * 1000 + i64::from(nanos / 1_000_000);
                assert_eq!(millis, deployment.created_at.as_millis());
            }
            let counts = qm_db::deployments::counts(tx, deployment.id).await.unwrap();
            assert_eq!(counts, BTreeMap::from([(S::Queued, 1), (S::Planned, 1)]));
            let live = selection::live_of_app(tx, &everybody, app.id).await.unwrap();
            let mut kinds: Vec<_> = live.iter().map(|(_, kind)| *kind).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, [kind(&office.bare), kind(&office.old)]);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn users_who_wait_get_one_seat_each_with_a_reason_for_each_target() {
    on_both(async |db: &Db, make: &Make| {
        let office = Office::open(db, make).await;
        let app = make.stored_app(db, "Notes").await;
        let everybody = office.everybody();
        let deployment = make.deployment(app.id, Intent::Required);
        let waiting = pattern(make, &deployment, &office.old, S::AwaitingSeat);
        let returned = make.seat(app.id, BOB, SeatState::Reclaimed);
        write(db, async |tx| {
            seats::upsert(tx, &returned).await.unwrap();
            let needed = selection::users_without_seat(tx, &everybody, app.id, (&[], &[]));
            assert_eq!(needed.await.unwrap(), 2);
            qm_db::deployments::insert(tx, &deployment).await.unwrap();
            targets::insert_selected(tx, &deployment, &everybody, &[], &[], &waiting)
                .await
                .unwrap();
            for _ in 0..2 {
                targets::claim_seats(tx, &deployment, "needed", at(5))
                    .await
                    .unwrap();
            }
            let mut ledger = seats::all_of_app(tx, app.id).await.unwrap();
            ledger.sort_unstable_by(|a, b| a.upn.cmp(&b.upn));
            let shown: Vec<_> = ledger
                .iter()
                .map(|seat| (seat.upn.as_str(), seat.state, seat.reason.as_str(), seat.attempts))
                .collect();
            let asked = SeatState::Assigning;
            assert_eq!(shown, [(ANN, asked, "needed", 0), (BOB, asked, "needed", 0)]);
            assert_eq!(ledger[1].id, returned.id, "a seat of old is revived");
            assert_eq!(seats::reasons_of(tx, ledger[0].id).await.unwrap().len(), 2);
            assert_eq!(seats::reasons_of(tx, ledger[1].id).await.unwrap().len(), 1);
            let needed = selection::users_without_seat(tx, &everybody, app.id, (&[], &[]));
            assert_eq!(needed.await.unwrap(), 0);
        })
        .await;
    })
    .await;
}
