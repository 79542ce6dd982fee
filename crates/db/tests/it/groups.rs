use crate::fixtures::{Make, on_both, write};
use qm_core::{DeviceId, PageRequest, group::Group};
use qm_db::{Db, DbError, groups};
use std::collections::BTreeSet;

#[tokio::test]
async fn groups_hold_devices_and_have_names_of_their_own() {
    on_both(async |db: &Db, make: &Make| {
        let mut devices = Vec::new();
        for _ in 0..3 {
            devices.push(make.stored_device(db, "ann@contoso.example").await.id);
        }
        let north = make.group("North", vec![devices[0], devices[1]]);
        let south = make.group("South", Vec::new());
        write(db, async |tx| {
            groups::create(tx, &north).await.unwrap();
            groups::create(tx, &south).await.unwrap();
            assert_eq!(groups::find(tx, north.id).await.unwrap(), Some(north.clone()));
            assert_eq!(groups::find(tx, make.id()).await.unwrap(), None);
            let page = groups::list(tx, PageRequest::first(10)).await.unwrap();
            assert_eq!(
                (page.items, page.next),
                (vec![south.clone(), north.clone()], None)
            );

            groups::set_members(tx, south.id, &[devices[2], devices[1], devices[2]])
                .await
                .unwrap();
            groups::set_members(tx, north.id, &[devices[1]]).await.unwrap();
            assert_eq!(
                groups::find(tx, north.id).await.unwrap().unwrap().members,
                [devices[1]]
            );
            let members = groups::members(tx, &[north.id, south.id]).await.unwrap();
            assert_eq!(members.len(), 2);
            assert_eq!(
                BTreeSet::from_iter(members),
                BTreeSet::from([devices[1], devices[2]])
            );
            assert_eq!(groups::members(tx, &[]).await.unwrap(), Vec::<DeviceId>::new());
        })
        .await;
        let mut tx = db.begin("test").await.unwrap();
        let twin = Group {
            name: "North".to_owned(),
            ..make.group("", Vec::new())
        };
        assert!(matches!(
            groups::create(&mut tx, &twin).await,
            Err(DbError::Conflict { .. })
        ));
        drop(tx);
        let mut tx = db.begin("test").await.unwrap();
        let unknown = groups::set_members(&mut tx, north.id, &[make.id()]).await;
        assert!(
            matches!(unknown, Err(DbError::MissingReference(_))),
            "{unknown:?}"
        );
        drop(tx);
        write(db, async |tx| {
            assert!(groups::delete(tx, south.id).await.unwrap());
            assert!(!groups::delete(tx, south.id).await.unwrap());
            assert_eq!(groups::members(tx, &[south.id]).await.unwrap(), []);
        })
        .await;
    })
    .await;
}
