use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    DeploymentId, PageRequest, TargetId,
    deployment::{DeploymentState, Intent, Target, TargetError, TargetState as S},
};
use qm_db::{Db, DbError, deployments, deployments::Counts, targets};
use std::collections::{BTreeSet, HashSet};

async fn state_of(db: &Db, id: DeploymentId) -> DeploymentState {
    deployments::find(&mut db.read().await.unwrap(), id)
        .await
        .unwrap()
        .unwrap()
        .state
}
async fn counts_of(db: &Db, id: DeploymentId) -> Counts {
    deployments::counts(&mut db.read().await.unwrap(), id)
        .await
        .unwrap()
}
async fn move_to(db: &Db, target: &Target, expected: S, state: S) -> bool {
    let moved = Target {
        state,
        ..target.clone()
    };
    write(db, async |tx| {
        targets::update(tx, &moved, expected).await.unwrap()
    })
    .await
}
fn ids(targets: &[Target]) -> Vec<TargetId> {
    targets.iter().map(|target| target.id).collect()
}

#[tokio::test]
async fn a_target_comes_back_as_it_was_stored_and_changed() {
    on_both(async |db: &Db, make: &Make| {
        let (_, stored) = make.stored_deployment(db, &[S::Planned]).await;
        let target = &stored[0];
        let mut conn = db.read().await.unwrap();
        assert_eq!(
            targets::find(&mut conn, target.id).await.unwrap().as_ref(),
            Some(target)
        );
        assert_eq!(targets::find(&mut conn, make.id()).await.unwrap(), None);
        drop(conn);
        let full = Target {
            state: S::Queued,
            attempts: 3,
            error: Some(TargetError {
                code: "0x80073CF3".to_owned(),
                text: "conflict \"x\"".to_owned(),
                advice: "Update it.".to_owned(),
            }),
            package_id: Some(make.id()),
            license_accepted: true,
            not_before: Some(at(5)),
            deadline: Some(at(500)),
            updated_at: at(1),
            ..target.clone()
        };
        write(db, async |tx| {
            assert!(
                !targets::update(tx, &full, S::Sent).await.unwrap(),
                "not in that state"
            );
            assert!(targets::update(tx, &full, S::Planned).await.unwrap());
            assert!(
                !targets::update(tx, &full, S::Planned).await.unwrap(),
                "moved meanwhile"
            );
            assert_eq!(targets::find(tx, target.id).await.unwrap(), Some(full.clone()));
            let bare = Target {
                updated_at: at(2),
                ..target.clone()
            };
            let bare = Target {
                state: S::Queued,
                ..bare
            };
            assert!(
                targets::update(tx, &bare, S::Queued).await.unwrap(),
                "other fields may change too"
            );
            assert_eq!(targets::find(tx, target.id).await.unwrap(), Some(bare));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn counts_follow_the_targets_and_the_last_one_completes_the_deployment() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, stored) = make
            .stored_deployment(db, &[S::Planned, S::Planned, S::NotApplicable])
            .await;
        let id = deployment.id;
        assert_eq!(
            counts_of(db, id).await,
            Counts::from([(S::Planned, 2), (S::NotApplicable, 1)])
        );
        assert!(move_to(db, &stored[0], S::Planned, S::Queued).await);
        assert_eq!(
            counts_of(db, id).await,
            Counts::from([(S::Planned, 1), (S::Queued, 1), (S::NotApplicable, 1)])
        );
        assert!(move_to(db, &stored[0], S::Queued, S::Installed).await);
        assert_eq!(state_of(db, id).await, DeploymentState::Active);
        assert!(!move_to(db, &stored[0], S::Queued, S::Failed).await);
        assert!(move_to(db, &stored[1], S::Planned, S::Failed).await);
        assert_eq!(state_of(db, id).await, DeploymentState::Completed);
        assert_eq!(
            counts_of(db, id).await,
            Counts::from([(S::Installed, 1), (S::Failed, 1), (S::NotApplicable, 1)])
        );

        assert!(move_to(db, &stored[1], S::Failed, S::Planned).await, "a retry");
        assert_eq!(state_of(db, id).await, DeploymentState::Active);
        write(db, async |tx| {
            deployments::set_state(tx, id, DeploymentState::Paused)
                .await
                .unwrap()
        })
        .await;
        assert!(move_to(db, &stored[1], S::Planned, S::Cancelled).await);
        assert_eq!(
            state_of(db, id).await,
            DeploymentState::Paused,
            "a pause is ended by people"
        );
        let resumed = write(db, async |tx| {
            assert_eq!(
                deployments::set_state(tx, make.id(), DeploymentState::Active)
                    .await
                    .unwrap(),
                None
            );
            deployments::set_state(tx, id, DeploymentState::Active)
                .await
                .unwrap()
        })
        .await;
        assert_eq!(resumed, Some(DeploymentState::Completed));
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_fits_no_device_is_complete_at_once() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, _) = make.stored_deployment(db, &[S::NotApplicable]).await;
        assert_eq!(state_of(db, deployment.id).await, DeploymentState::Completed);
    })
    .await;
}

#[tokio::test]
async fn many_targets_change_together_each_guarded_by_its_own_state() {
    on_both(async |db: &Db, make: &Make| {
        let (one, first) = make
            .stored_deployment(db, &[S::Planned, S::Queued, S::Installed])
            .await;
        let (two, second) = make.stored_deployment(db, &[S::Sent]).await;
        let cancel = |target: &Target| Target {
            state: S::Cancelled,
            ..target.clone()
        };
        let cancelled: Vec<_> = first.iter().chain(&second).map(cancel).collect();
        let expected = [S::Planned, S::Queued, S::Sent, S::Sent];
        let moves: Vec<_> = cancelled.iter().zip(expected).collect();
        let changed = write(db, async |tx| targets::update_many(tx, &moves).await.unwrap()).await;
        assert_eq!(changed, HashSet::from([first[0].id, first[1].id, second[0].id]));
        let mut conn = db.read().await.unwrap();
        let counts = deployments::counts_of(&mut conn, &[one.id, two.id, make.id()])
            .await
            .unwrap();
        assert_eq!(counts.len(), 2);
        assert_eq!(
            counts[&one.id],
            Counts::from([(S::Cancelled, 2), (S::Installed, 1)])
        );
        assert_eq!(counts[&two.id], Counts::from([(S::Cancelled, 1)]));
        drop(conn);
        assert_eq!(state_of(db, two.id).await, DeploymentState::Completed);
        assert!(
            write(db, async |tx| targets::update_many(tx, &[]).await.unwrap())
                .await
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn targets_that_finish_at_the_same_time_complete_the_deployment() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, stored) = make.stored_deployment(db, &[S::Installing; 6]).await;
        let finish = |target: Target, state| {
            let db = db.clone();
            tokio::spawn(async move {
                let done = Target { state, ..target };
                let result: Result<bool, DbError> = qm_db::run!(db, "test.finish", |tx| {
                    let moved = targets::update(tx, &done, S::Installing).await?;
                    tokio::task::yield_now().await;
                    Ok(moved)
                });
                assert!(result.unwrap());
            })
        };
        let outcomes = [S::Installed, S::Failed];
        let tasks: Vec<_> = stored.into_iter().zip(outcomes.into_iter().cycle()).collect();
        for task in tasks
            .into_iter()
            .map(|(target, state)| finish(target, state))
            .collect::<Vec<_>>()
        {
            task.await.unwrap();
        }
        assert_eq!(state_of(db, deployment.id).await, DeploymentState::Completed);
        assert_eq!(
            counts_of(db, deployment.id).await,
            Counts::from([(S::Installed, 3), (S::Failed, 3)])
        );
    })
    .await;
}

#[tokio::test]
async fn an_app_has_one_live_target_for_each_device() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, stored) = make.stored_deployment(db, &[S::Queued, S::Failed]).await;
        let newer = make.deployment(deployment.app_id, Intent::Uninstall);
        let again = |old: &Target| Target {
            id: make.id(),
            deployment_id: newer.id,
            ..old.clone()
        };
        let mut tx = db.begin("test").await.unwrap();
        deployments::insert(&mut tx, &newer).await.unwrap();
        let second = targets::insert_many(&mut tx, &newer, &[again(&stored[0])]).await;
        assert!(matches!(second, Err(DbError::Conflict { .. })), "{second:?}");
        drop(tx);
        write(db, async |tx| {
            let devices: Vec<_> = stored.iter().map(|target| target.device_id).collect();
            let live = targets::live_of_app(tx, deployment.app_id, &devices)
                .await
                .unwrap();
            assert_eq!(ids(&live), [stored[0].id]);
            assert_eq!(targets::live_of_app(tx, make.id(), &devices).await.unwrap(), []);
            deployments::insert(tx, &newer).await.unwrap();
            let free = Target {
                state: S::Planned,
                ..again(&stored[1])
            };
            targets::insert_many(tx, &newer, std::slice::from_ref(&free))
                .await
                .unwrap();
            let found = targets::find(tx, free.id).await.unwrap().unwrap();
            assert_eq!(
                found,
                Target {
                    intent: Intent::Uninstall,
                    ..free
                }
            );
        })
        .await;
        let mut tx = db.begin("test").await.unwrap();
        let retry = Target {
            state: S::Planned,
            ..stored[1].clone()
        };
        let retried = targets::update(&mut tx, &retry, S::Failed).await;
        assert!(
            matches!(retried, Err(DbError::Conflict { .. })),
            "the newer deployment owns the device"
        );
    })
    .await;
}

#[tokio::test]
async fn targets_are_listed_by_deployment_and_state() {
    on_both(async |db: &Db, make: &Make| {
        let states = [S::Planned, S::Failed, S::Planned, S::Queued, S::Planned];
        let (deployment, stored) = make.stored_deployment(db, &states).await;
        let id = deployment.id;
        make.stored_deployment(db, &[S::Planned]).await;
        let mut conn = db.read().await.unwrap();
        let all = targets::list(&mut conn, id, None, PageRequest::first(3))
            .await
            .unwrap();
        assert_eq!(
            (ids(&all.items), all.next),
            (ids(&stored[..3]), Some(stored[2].id.0))
        );
        let rest = PageRequest {
            limit: 3,
            after: all.next,
        };
        let rest = targets::list(&mut conn, id, None, rest).await.unwrap();
        assert_eq!((ids(&rest.items), rest.next), (ids(&stored[3..]), None));
        let first = PageRequest::first(2);
        let planned = targets::list(&mut conn, id, Some(S::Planned), first)
            .await
            .unwrap();
        assert_eq!(ids(&planned.items), [stored[0].id, stored[2].id]);
        let after = PageRequest {
            limit: 2,
            after: planned.next,
        };
        let planned = targets::list(&mut conn, id, Some(S::Planned), after)
            .await
            .unwrap();
        assert_eq!(ids(&planned.items), [stored[4].id]);

        let wanted = [S::Planned, S::Failed];
        let chunk = targets::in_states(&mut conn, id, &wanted, None, 2).await.unwrap();
        assert_eq!(ids(&chunk), [stored[0].id, stored[1].id]);
        let chunk = targets::in_states(&mut conn, id, &wanted, Some(stored[1].id), 9)
            .await
            .unwrap();
        assert_eq!(ids(&chunk), [stored[2].id, stored[4].id]);
        assert_eq!(targets::in_states(&mut conn, id, &[], None, 9).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn deployments_are_listed_newest_first() {
    on_both(async |db: &Db, make: &Make| {
        let (one, _) = make.stored_deployment(db, &[S::Planned]).await;
        let (two, _) = make.stored_deployment(db, &[S::Planned]).await;
        let mut conn = db.read().await.unwrap();
        let page = deployments::list(&mut conn, PageRequest::first(1)).await.unwrap();
        assert_eq!((page.items, page.next), (vec![two.clone()], Some(two.id.0)));
        let next = PageRequest {
            limit: 9,
            after: page.next,
        };
        assert_eq!(
            deployments::list(&mut conn, next).await.unwrap().items,
            std::slice::from_ref(&one)
        );
        let of_app = deployments::list_for_app(&mut conn, one.app_id, PageRequest::first(9))
            .await
            .unwrap();
        assert_eq!(of_app.items, [one]);
        assert_eq!(deployments::find(&mut conn, make.id()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_device_finds_what_is_live_for_it() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, stored) = make.stored_deployment(db, &[S::Queued]).await;
        let device = stored[0].device_id;
        let app = make.stored_app(db, "Draw").await;
        let second = make.deployment(app.id, Intent::Required);
        let done = Target {
            id: make.id(),
            deployment_id: second.id,
            state: S::Installed,
            ..stored[0].clone()
        };
        write(db, async |tx| {
            deployments::insert(tx, &second).await.unwrap();
            targets::insert_many(tx, &second, std::slice::from_ref(&done))
                .await
                .unwrap();
            deployments::set_state(tx, deployment.id, DeploymentState::Paused)
                .await
                .unwrap();
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let live = targets::live_for_device(&mut conn, device).await.unwrap();
        assert_eq!(live.len(), 1);
        assert_eq!(
            (&live[0].target, live[0].deployment),
            (&stored[0], DeploymentState::Paused)
        );
        let installed = targets::installed_of(&mut conn, app.id, &done.upn).await.unwrap();
        assert_eq!(ids(&installed), [done.id]);
        assert_eq!(
            targets::installed_of(&mut conn, app.id, "other@contoso.example")
                .await
                .unwrap(),
            []
        );
    })
    .await;
}

#[tokio::test]
async fn background_work_finds_its_targets_but_not_those_of_paused_deployments() {
    on_both(async |db: &Db, make: &Make| {
        let states = [S::AwaitingSeat, S::Planned, S::AwaitingSeat, S::Planned];
        let (deployment, stored) = make.stored_deployment(db, &states).await;
        let app = deployment.app_id;
        let offers = make.stored_app(db, "Offered").await;
        let offer = make.deployment(offers.id, Intent::Available);
        let device = make.stored_device(db, "eve@contoso.example").await;
        write(db, async |tx| {
            deployments::insert(tx, &offer).await.unwrap();
            let target = make.target(&offer, &device, S::Planned);
            targets::insert_many(tx, &offer, &[target]).await.unwrap();
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let waiting = targets::awaiting_seats(&mut conn, app, 9).await.unwrap();
        assert_eq!(ids(&waiting), [stored[0].id, stored[2].id]);
        assert_eq!(targets::awaiting_seats(&mut conn, app, 1).await.unwrap().len(), 1);
        let planned = targets::planned(&mut conn, app, None, 9).await.unwrap();
        assert_eq!(ids(&planned), [stored[1].id, stored[3].id]);
        let planned = targets::planned(&mut conn, app, Some(stored[1].id), 9)
            .await
            .unwrap();
        assert_eq!(ids(&planned), [stored[3].id]);
        assert_eq!(targets::apps_awaiting_seats(&mut conn).await.unwrap(), [app]);
        assert_eq!(
            targets::apps_with_planned(&mut conn).await.unwrap(),
            [app],
            "offers need no preparation"
        );
        assert_eq!(targets::planned(&mut conn, offers.id, None, 9).await.unwrap(), []);
        drop(conn);
        write(db, async |tx| {
            deployments::set_state(tx, deployment.id, DeploymentState::Paused)
                .await
                .unwrap();
            assert_eq!(targets::awaiting_seats(tx, app, 9).await.unwrap(), []);
            assert_eq!(targets::planned(tx, app, None, 9).await.unwrap(), []);
            assert_eq!(targets::apps_awaiting_seats(tx).await.unwrap(), []);
            assert_eq!(targets::apps_with_planned(tx).await.unwrap(), []);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn overdue_targets_are_found_the_longest_first() {
    on_both(async |db: &Db, make: &Make| {
        let (deployment, stored) = make
            .stored_deployment(db, &[S::Queued, S::Sent, S::Queued, S::Queued])
            .await;
        let due = [at(20), at(10), at(30)];
        write(db, async |tx| {
            for (target, deadline) in stored.iter().zip(due) {
                let dated = Target {
                    deadline: Some(deadline),
                    ..target.clone()
                };
                assert!(targets::update(tx, &dated, target.state).await.unwrap());
            }
            let found = targets::overdue(tx, at(20), 9).await.unwrap();
            assert_eq!(ids(&found), [stored[1].id, stored[0].id]);
            assert_eq!(targets::overdue(tx, at(99), 1).await.unwrap().len(), 1);
            assert_eq!(targets::overdue(tx, NOON, 9).await.unwrap(), []);
            deployments::set_state(tx, deployment.id, DeploymentState::Paused)
                .await
                .unwrap();
            assert_eq!(targets::overdue(tx, at(99), 9).await.unwrap(), []);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn thousands_of_targets_are_stored_in_a_few_statements() {
    on_both(async |db: &Db, make: &Make| {
        let app = make.stored_app(db, "Notes").await;
        let deployment = make.deployment(app.id, Intent::Required);
        let devices: Vec<_> = (0..2_500)
            .map(|n| make.device(&format!("u{n}@contoso.example")))
            .collect();
        let targets: Vec<_> = devices
            .iter()
            .map(|device| make.target(&deployment, device, S::Planned))
            .collect();
        write(db, async |tx| {
            for device in &devices {
                qm_db::devices::insert(tx, device).await.unwrap();
            }
        })
        .await;
        write(db, async |tx| {
            deployments::insert(tx, &deployment).await.unwrap();
            targets::insert_many(tx, &deployment, &targets).await.unwrap();
            assert!(tx.statements() < 10, "{}", tx.statements());
        })
        .await;
        assert_eq!(
            counts_of(db, deployment.id).await,
            Counts::from([(S::Planned, 2_500)])
        );
        let mut conn = db.read().await.unwrap();
        let stored = targets::planned(&mut conn, app.id, None, 5_000).await.unwrap();
        assert_eq!(
            BTreeSet::from_iter(ids(&stored)),
            BTreeSet::from_iter(ids(&targets))
        );
    })
    .await;
}
