use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    AppId, PageRequest, Secret,
    app::{App, AppSource, AppState, LicenseKind, OfflineLicense, Package, PackageRole, SeatCounts},
};
use qm_db::{Db, DbError, apps, apps::AppFilter, licenses, packages};
use std::collections::BTreeSet;

fn upload(make: &Make, name: &str) -> App {
    App {
        source: AppSource::Upload,
        license: LicenseKind::None,
        product_id: None,
        sku_id: None,
        seats: None,
        icon: None,
        publisher: None,
        description: None,
        ..make.app(name)
    }
}

#[tokio::test]
async fn a_store_product_is_one_app_whose_known_facts_survive() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.app("Notes");
        let first = write(db, async |tx| apps::upsert_store(tx, &app).await.unwrap()).await;
        assert_eq!(first, app);
        let sparse = App {
            id: make.id(),
            name: "Notes 2".to_owned(),
            publisher: None,
            description: None,
            package_family_name: None,
            seats: None,
            icon: None,
            created_at: at(50),
            updated_at: at(50),
            ..app.clone()
        };
        let merged = App {
            name: "Notes 2".to_owned(),
            updated_at: at(50),
            ..app.clone()
        };
        let second = write(db, async |tx| apps::upsert_store(tx, &sparse).await.unwrap()).await;
        assert_eq!(second, merged);
        let unlimited = SeatCounts {
            total: None,
            assigned: 4,
            available: None,
        };
        let counted = App {
            seats: Some(unlimited),
            ..sparse
        };
        let third = write(db, async |tx| apps::upsert_store(tx, &counted).await.unwrap()).await;
        assert_eq!(third.seats, Some(unlimited));
        let mut conn = db.read().await.unwrap();
        assert_eq!(apps::find(&mut conn, app.id).await.unwrap(), Some(third.clone()));
        let product = (app.product_id.unwrap(), app.sku_id.unwrap());
        let found = apps::find_by_product(&mut conn, &product.0, &product.1)
            .await
            .unwrap();
        assert_eq!(found, Some(third));
        assert_eq!(
            apps::find_by_product(&mut conn, &product.0, "16").await.unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn apps_are_listed_updated_and_found_by_family() {
    on_both(async |db: &Db, make: &Make| {
        let store = make.stored_app(db, "Notes").await;
        let uploaded = upload(make, "Notes");
        write(db, async |tx| apps::insert(tx, &uploaded).await.unwrap()).await;
        let mut conn = db.read().await.unwrap();
        let family = store.package_family_name.clone().unwrap();
        let by_family = apps::find_by_family_name(&mut conn, &family, AppSource::Upload)
            .await
            .unwrap();
        assert_eq!(by_family, Some(uploaded.clone()));
        let missing = apps::find_by_family_name(&mut conn, "Other_8wekyb3d8bbwe", AppSource::Store).await;
        assert_eq!(missing.unwrap(), None);
        let mut listed = async |filter: AppFilter| {
            let page = apps::list(&mut conn, &filter, PageRequest::first(10))
                .await
                .unwrap();
            page.items.iter().map(|app| app.id).collect::<Vec<AppId>>()
        };
        assert_eq!(listed(AppFilter::default()).await, [uploaded.id, store.id]);
        let online = AppFilter {
            license: Some(LicenseKind::Online),
            q: Some("NOTES".to_owned()),
        };
        assert_eq!(listed(online).await, [store.id]);
        assert_eq!(
            listed(AppFilter {
                q: Some("contoso.n".to_owned()),
                license: None
            })
            .await
            .len(),
            2
        );
        assert_eq!(
            listed(AppFilter {
                q: Some("nothing".to_owned()),
                license: None
            })
            .await,
            []
        );
        let some = apps::by_ids(&mut conn, &[uploaded.id, make.id()]).await.unwrap();
        assert_eq!(some, std::slice::from_ref(&uploaded));
        drop(conn);

        let changed = App {
            name: "Renamed".to_owned(),
            license: LicenseKind::Offline,
            publisher: Some("P".to_owned()),
            updated_at: at(9),
            ..uploaded.clone()
        };
        write(db, async |tx| {
            assert!(apps::update(tx, &changed).await.unwrap());
            assert_eq!(apps::find(tx, uploaded.id).await.unwrap(), Some(changed));
            assert!(!apps::update(tx, &make.app("Ghost")).await.unwrap());
            let icon = make.digest();
            apps::set_icon(tx, store.id, &icon, at(8)).await.unwrap();
            let seats = SeatCounts {
                total: Some(5),
                assigned: 5,
                available: Some(0),
            };
            apps::set_seats(tx, store.id, seats, at(9)).await.unwrap();
            let found = apps::find(tx, store.id).await.unwrap().unwrap();
            assert_eq!(
                (found.icon, found.seats, found.updated_at),
                (Some(icon), Some(seats), at(9))
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_walks_miss_keeps_the_time_of_the_first_one_until_it_is_there_again() {
    on_both(async |db: &Db, make: &Make| {
        let (one, other) = (
            make.stored_app(db, "One").await,
            make.stored_app(db, "Other").await,
        );
        write(db, async |tx| {
            apps::note_missing(tx, &[one.id], at(1)).await.unwrap();
            assert_eq!(apps::missing(tx).await.unwrap(), [(one.id, at(1))]);
            apps::note_missing(tx, &[one.id, other.id], at(2)).await.unwrap();
            let mut missing = apps::missing(tx).await.unwrap();
            missing.sort_unstable();
            assert_eq!(missing, [(one.id, at(1)), (other.id, at(2))]);
            apps::upsert_store(tx, &one).await.unwrap();
            assert_eq!(apps::missing(tx).await.unwrap(), [(other.id, at(2))]);
            apps::note_missing(tx, &[], at(3)).await.unwrap();
            assert_eq!(apps::missing(tx).await.unwrap(), []);
            apps::note_missing(tx, &[one.id], at(4)).await.unwrap();
            apps::mark_removed(tx, &[one.id], at(5)).await.unwrap();
            assert_eq!(apps::missing(tx).await.unwrap(), []);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn products_that_the_store_no_longer_lists_are_marked_removed() {
    on_both(async |db: &Db, make: &Make| {
        let (kept, gone) = (
            make.stored_app(db, "Kept").await,
            make.stored_app(db, "Gone").await,
        );
        let uploaded = upload(make, "Own");
        write(db, async |tx| {
            apps::insert(tx, &uploaded).await.unwrap();
            let removed = apps::mark_removed(tx, &[gone.id, uploaded.id], at(1)).await;
            assert_eq!(removed.unwrap(), [gone.id]);
            assert_eq!(apps::mark_removed(tx, &[gone.id], at(2)).await.unwrap(), []);
            let found = apps::find(tx, gone.id).await.unwrap().unwrap();
            assert_eq!((found.state, found.updated_at), (AppState::Removed, at(1)));
            assert_eq!(
                apps::available_from_store(tx).await.unwrap(),
                std::slice::from_ref(&kept)
            );
            assert_eq!(apps::mark_removed(tx, &[], at(3)).await.unwrap(), []);
            assert_eq!(
                apps::find(tx, uploaded.id).await.unwrap().unwrap().state,
                AppState::Available
            );
            let back = apps::upsert_store(
                tx,
                &App {
                    id: make.id(),
                    ..gone.clone()
                },
            )
            .await
            .unwrap();
            assert_eq!((back.id, back.state), (gone.id, AppState::Available));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn packages_keep_their_id_and_content_until_they_change() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.stored_app(db, "Notes").await.id;
        let package = make.package(app, "Contoso.Notes_2.5.1.0_neutral_~_8wekyb3d8bbwe");
        let bare = Package {
            store_package_id: None,
            content_id: None,
            architectures: Vec::new(),
            families: Vec::new(),
            bundle: false,
            sha256: None,
            role: PackageRole::Framework,
            ..make.package(app, "Lib_1.0.0.0_x64__8wekyb3d8bbwe")
        };
        write(db, async |tx| {
            assert_eq!(packages::upsert(tx, &package).await.unwrap(), package.id);
            assert_eq!(packages::upsert(tx, &bare).await.unwrap(), bare.id);
            assert_eq!(
                packages::find(tx, package.id).await.unwrap(),
                Some(package.clone())
            );
            assert_eq!(
                packages::list_for_app(tx, app).await.unwrap(),
                [package.clone(), bare.clone()]
            );

            let listed_again = Package {
                id: make.id(),
                sha256: None,
                size: 7,
                rank: 1,
                ..package.clone()
            };
            assert_eq!(packages::upsert(tx, &listed_again).await.unwrap(), package.id);
            let found = packages::find(tx, package.id).await.unwrap().unwrap();
            assert_eq!(
                found,
                Package {
                    rank: 1,
                    ..package.clone()
                }
            );
            let replaced = Package {
                full_name: "Contoso.Notes_3.0.0.0".to_owned(),
                ..listed_again
            };
            packages::upsert(tx, &replaced).await.unwrap();
            let found = packages::find(tx, package.id).await.unwrap().unwrap();
            assert_eq!(
                (found.sha256, found.size),
                (None, 7),
                "another package, other content"
            );

            let content = make.digest();
            assert!(
                packages::set_content(tx, bare.id, Some((content, 99)))
                    .await
                    .unwrap()
            );
            let again = Package {
                id: make.id(),
                rank: 2,
                ..bare.clone()
            };
            assert_eq!(packages::upsert(tx, &again).await.unwrap(), bare.id);
            let found = packages::find_by_sha(tx, &content).await.unwrap();
            let expected = Package {
                rank: 2,
                sha256: Some(content),
                size: 99,
                ..bare.clone()
            };
            assert_eq!(found, [expected]);
            let icon = apps::find(tx, app).await.unwrap().unwrap().icon.unwrap();
            let in_use = packages::content_in_use(tx).await.unwrap();
            assert_eq!(BTreeSet::from_iter(in_use), BTreeSet::from([content, icon]));
            assert!(packages::set_content(tx, bare.id, None).await.unwrap());
            assert_eq!(packages::find(tx, bare.id).await.unwrap().unwrap().size, 99);
            assert!(!packages::set_content(tx, make.id(), None).await.unwrap());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn frameworks_are_linked_in_order() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.stored_app(db, "Notes").await.id;
        let all: Vec<Package> = (0..4).map(|n| make.package(app, &format!("P{n}"))).collect();
        let (main, a, b, c) = (all[0].id, all[1].id, all[2].id, all[3].id);
        write(db, async |tx| {
            for package in &all {
                packages::upsert(tx, package).await.unwrap();
            }
            packages::set_frameworks(tx, main, &[c, a]).await.unwrap();
            assert_eq!(
                packages::find(tx, main).await.unwrap().unwrap().frameworks,
                [c, a]
            );
            packages::set_frameworks(tx, main, &[b, c]).await.unwrap();
            let listed = packages::list_for_app(tx, app).await.unwrap();
            assert_eq!(listed[0].frameworks, [b, c]);
            assert_eq!(listed[1].frameworks, []);
            assert_eq!(packages::delete_others(tx, app, &[main, b]).await.unwrap(), 2);
            assert_eq!(packages::find(tx, main).await.unwrap().unwrap().frameworks, [b]);
            packages::set_frameworks(tx, main, &[]).await.unwrap();
            assert_eq!(packages::by_ids(tx, &[main]).await.unwrap()[0].frameworks, []);
        })
        .await;
        let mut tx = db.begin("test").await.unwrap();
        let orphan = packages::upsert(&mut tx, &make.package(make.id(), "X")).await;
        assert!(matches!(orphan, Err(DbError::MissingReference(_))), "{orphan:?}");
    })
    .await;
}

#[tokio::test]
async fn a_license_is_one_for_each_app_and_content() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.stored_app(db, "Notes").await.id;
        let license = OfflineLicense {
            app_id: app,
            content_id: "c-1".to_owned(),
            instance_id: None,
            blob: Secret::new("PD94bWw=".to_owned()),
            fetched_at: NOON,
        };
        let renewed = OfflineLicense {
            instance_id: Some("i-2".to_owned()),
            blob: Secret::new("PD94bWwy".to_owned()),
            fetched_at: at(5),
            ..license.clone()
        };
        let other = OfflineLicense {
            content_id: "c-2".to_owned(),
            ..license.clone()
        };
        write(db, async |tx| {
            licenses::upsert(tx, &license).await.unwrap();
            licenses::upsert(tx, &other).await.unwrap();
            assert_eq!(licenses::find(tx, app, "c-1").await.unwrap(), Some(license));
            licenses::upsert(tx, &renewed).await.unwrap();
            assert_eq!(licenses::list_for_app(tx, app).await.unwrap(), [renewed, other]);
            assert_eq!(licenses::find(tx, app, "c-3").await.unwrap(), None);
        })
        .await;
    })
    .await;
}
