use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    AppId, PageRequest, SeatId,
    deployment::TargetState,
    seat::{Seat, SeatState},
};
use qm_db::{Db, Tx, seats, seats::SeatFilter};
use std::collections::BTreeMap;

const ANN: &str = "ann@contoso.example";
const BOB: &str = "bob@contoso.example";

#[tokio::test]
async fn a_user_has_one_seat_of_an_app_and_it_moves_only_from_the_expected_state() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.stored_app(db, "Notes").await.id;
        let seat = make.seat(app, ANN, SeatState::Assigning);
        write(db, async |tx| {
            assert_eq!(seats::upsert(tx, &seat).await.unwrap(), seat);
            let again = Seat {
                attempts: 0,
                since: at(1),
                ..make.seat(app, ANN, SeatState::Failed)
            };
            let stored = seats::upsert(tx, &again).await.unwrap();
            assert_eq!(stored, Seat { id: seat.id, ..again });
            assert_eq!(seats::find(tx, app, ANN).await.unwrap(), Some(stored.clone()));
            assert_eq!(seats::find_by_id(tx, seat.id).await.unwrap(), Some(stored));
            assert_eq!(seats::find(tx, app, BOB).await.unwrap(), None);

            seats::count_attempt(tx, &[seat.id]).await.unwrap();
            assert_eq!(seats::find_by_id(tx, seat.id).await.unwrap().unwrap().attempts, 1);
            let (id, failed, assigning) = (seat.id, SeatState::Failed, SeatState::Assigning);
            assert!(
                seats::set_state(tx, id, failed, assigning, "retry", at(2))
                    .await
                    .unwrap()
            );
            assert!(
                !seats::set_state(tx, id, failed, assigning, "retry", at(3))
                    .await
                    .unwrap()
            );
            let moved = seats::find_by_id(tx, id).await.unwrap().unwrap();
            assert_eq!((moved.state, moved.since, moved.attempts), (assigning, at(2), 0));
            assert_eq!(moved.reason, "retry");
            seats::set_reason(tx, &[id], "two deployments").await.unwrap();
            assert_eq!(
                seats::find_by_id(tx, id).await.unwrap().unwrap().reason,
                "two deployments"
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn seats_are_listed_counted_and_moved_together() {
    on_both(async |db: &Db, make: &Make| {
        let notes = make.stored_app(db, "Notes").await.id;
        let draw = make.stored_app(db, "Draw").await.id;
        let held = [
            Seat {
                since: at(9),
                ..make.seat(notes, ANN, SeatState::Assigning)
            },
            make.seat(notes, BOB, SeatState::Assigning),
            make.seat(draw, ANN, SeatState::Assigned),
        ];
        write(db, async |tx| {
            assert_eq!(seats::insert_missing(tx, &held).await.unwrap(), 3);
            let known = [
                make.seat(draw, ANN, SeatState::Failed),
                make.seat(draw, BOB, SeatState::Reclaimed),
            ];
            assert_eq!(seats::insert_missing(tx, &known).await.unwrap(), 1);
            assert_eq!(seats::insert_missing(tx, &[]).await.unwrap(), 0);
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let mut listed = async |app_id: Option<AppId>, upn: Option<&str>| {
            let filter = SeatFilter {
                app_id,
                upn: upn.map(str::to_owned),
            };
            let page = seats::list(&mut conn, &filter, PageRequest::first(10))
                .await
                .unwrap();
            page.items.iter().map(|seat| seat.id).collect::<Vec<SeatId>>()
        };
        assert_eq!(listed(None, None).await.len(), 4);
        assert_eq!(listed(Some(notes), None).await, [held[1].id, held[0].id]);
        assert_eq!(listed(None, Some(ANN)).await, [held[2].id, held[0].id]);
        assert_eq!(listed(Some(draw), Some(ANN)).await, [held[2].id]);
        let waiting = seats::in_state(&mut conn, notes, SeatState::Assigning, 10)
            .await
            .unwrap();
        assert_eq!(
            waiting,
            [held[1].clone(), held[0].clone()],
            "longest waiting first"
        );
        assert_eq!(seats::apps_with_work(&mut conn).await.unwrap(), [notes]);
        assert_eq!(seats::all_of_app(&mut conn, draw).await.unwrap().len(), 2);
        let counts = seats::counts(&mut conn, draw).await.unwrap();
        assert_eq!(
            counts,
            BTreeMap::from([(SeatState::Assigned, 1), (SeatState::Reclaimed, 1)])
        );
        let upns = [ANN.to_owned(), "nobody@contoso.example".to_owned()];
        assert_eq!(
            seats::find_many(&mut conn, notes, &upns).await.unwrap(),
            [held[0].clone()]
        );
        drop(conn);
        write(db, async |tx| {
            let ids: Vec<_> = held.iter().map(|seat| seat.id).collect();
            let (from, to) = (SeatState::Assigned, SeatState::Reclaiming);
            assert_eq!(
                seats::set_state_many(tx, &ids, from, to, at(20)).await.unwrap(),
                [held[2].id]
            );
            let moved = seats::find_by_id(tx, held[2].id).await.unwrap().unwrap();
            assert_eq!((moved.state, moved.since, moved.attempts), (to, at(20), 0));
            assert_eq!(seats::apps_with_work(tx).await.unwrap().len(), 2);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_seat_is_free_when_its_last_reason_is_gone() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, targets) = make
            .stored_deployment(db, &[TargetState::AwaitingSeat, TargetState::AwaitingSeat])
            .await;
        let app = deployment.app_id;
        let seat = make.seat(app, ANN, SeatState::Assigned);
        let idle = make.seat(app, BOB, SeatState::Assigned);
        let (one, two) = (targets[0].id, targets[1].id);
        write(db, async |tx| {
            seats::insert_missing(tx, &[seat.clone(), idle.clone()])
                .await
                .unwrap();
            seats::add_reason(tx, seat.id, one).await.unwrap();
            seats::add_reasons(tx, &[(seat.id, one), (seat.id, two)])
                .await
                .unwrap();
            seats::add_reasons(tx, &[]).await.unwrap();
            assert_eq!(
                seats::reasons_of(tx, seat.id).await.unwrap(),
                [one, two],
                "each counts once"
            );
            assert_eq!(
                seats::without_reason(tx, app, 10).await.unwrap(),
                std::slice::from_ref(&idle)
            );
            let release = async |tx: &mut Tx, targets: &[_]| {
                let apps = seats::release(tx, targets, "nobody needs it", at(9))
                    .await
                    .unwrap();
                let left = seats::find_by_id(tx, seat.id).await.unwrap().unwrap();
                (apps.into_iter().collect::<Vec<_>>(), left.state, left.reason)
            };
            let (apps, state, _) = release(tx, &[one]).await;
            assert_eq!((apps, state), (vec![], seat.state), "another reason is left");
            assert_eq!(release(tx, &[one]).await.0, []);
            let given_back = (vec![app], SeatState::Reclaiming, "nobody needs it".to_owned());
            assert_eq!(release(tx, &[two, one]).await, given_back);
            assert_eq!(release(tx, &[two]).await.0, []);
            let unneeded = seats::without_reason(tx, app, 10).await.unwrap();
            assert_eq!(unneeded, std::slice::from_ref(&idle));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_two_that_release_a_seat_at_once_exactly_one_is_the_last() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, targets) = make
            .stored_deployment(db, &[TargetState::Installed, TargetState::Installed])
            .await;
        let seat = make.seat(deployment.app_id, ANN, SeatState::Assigned);
        write(db, async |tx| {
            seats::upsert(tx, &seat).await.unwrap();
            for target in &targets {
                seats::add_reason(tx, seat.id, target.id).await.unwrap();
            }
        })
        .await;
        let release = |target| {
            let db = db.clone();
            tokio::spawn(async move {
                let released: Result<bool, qm_db::DbError> = qm_db::run!(db, "test.release", |tx| {
                    let apps = seats::release(tx, &[target], "gone", NOON).await?;
                    tokio::task::yield_now().await;
                    Ok(!apps.is_empty())
                });
                released.unwrap()
            })
        };
        let (one, two) = tokio::join!(release(targets[0].id), release(targets[1].id));
        assert!(one.unwrap() != two.unwrap(), "exactly one gives it back");
    })
    .await;
}
