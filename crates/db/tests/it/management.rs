use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    CommandId, ExchangeId, PageRequest,
    command::{Command, CommandResult, CommandState, Verb},
    session::SessionRow,
};
use qm_db::{Db, Tx, commands, exchanges, exchanges::Exchange, sessions};

#[tokio::test]
async fn a_session_is_one_row_for_each_device_and_session_id() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let first = make.session(device, "1", NOON);
        let again = SessionRow {
            last_msg_id: 3,
            response: Vec::new(),
            ..make.session(device, "1", at(5))
        };
        let other = make.session(device, "2", at(9));
        write(db, async |tx| {
            sessions::upsert(tx, &first).await.unwrap();
            assert_eq!(
                sessions::find(tx, device, "1").await.unwrap(),
                Some(first.clone())
            );
            sessions::upsert(tx, &again).await.unwrap();
            let kept = SessionRow {
                id: first.id,
                ..again
            };
            assert_eq!(sessions::find(tx, device, "1").await.unwrap(), Some(kept.clone()));
            sessions::upsert(tx, &other).await.unwrap();
            assert_eq!(sessions::delete_older(tx, at(5), 10).await.unwrap(), []);
            assert_eq!(sessions::delete_older(tx, at(100), 1).await.unwrap(), [kept]);
            sessions::delete(tx, device, "1").await.unwrap();
            assert_eq!(
                sessions::find(tx, device, "2").await.unwrap(),
                Some(other.clone())
            );
            sessions::delete(tx, device, "2").await.unwrap();
            assert_eq!(sessions::find(tx, device, "2").await.unwrap(), None);
            sessions::upsert(tx, &other).await.unwrap();
            sessions::delete_for_device(tx, device).await.unwrap();
            assert_eq!(sessions::find(tx, device, "2").await.unwrap(), None);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn commands_go_from_the_queue_to_their_answer() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let (first, second) = (make.command(device), make.command(device));
        let bare = Command {
            format: None,
            media_type: None,
            data: None,
            ..make.command(device)
        };
        let results = [CommandResult {
            uri: "./DevDetail/SwV".to_owned(),
            format: "chr".to_owned(),
            data: "10.0 \u{1F4BB}".to_owned(),
        }];
        write(db, async |tx| {
            for command in [&first, &second, &bare] {
                commands::insert(tx, command).await.unwrap();
            }
            assert_eq!(commands::find(tx, bare.id).await.unwrap(), Some(bare.clone()));
            assert_eq!(
                commands::queued(tx, device, 2, 2).await.unwrap(),
                [first.clone(), second.clone()]
            );
            assert_eq!(commands::count_queued(tx, device).await.unwrap(), 3);
            assert_eq!(
                commands::mark_sent(tx, &[first.id, second.id], at(1))
                    .await
                    .unwrap(),
                2
            );
            assert_eq!(commands::mark_sent(tx, &[first.id], at(2)).await.unwrap(), 0);
            let unanswered = [second.id, bare.id];
            assert_eq!(commands::requeue(tx, &unanswered, 5, at(2)).await.unwrap(), 1);
            assert_eq!(commands::count_queued(tx, device).await.unwrap(), 2);

            let (id, done) = (first.id, CommandState::Done);
            assert!(
                commands::finish(tx, id, done, Some(200), &results, at(3))
                    .await
                    .unwrap()
            );
            let late = commands::finish(tx, id, CommandState::Failed, Some(500), &[], at(4))
                .await
                .unwrap();
            assert!(!late, "an answer is final");
            let answered = Command {
                state: done,
                status: Some(200),
                results: results.to_vec(),
                attempts: 1,
                sent_at: Some(at(1)),
                finished_at: Some(at(3)),
                ..first.clone()
            };
            assert_eq!(commands::find(tx, id).await.unwrap(), Some(answered));
            let page = commands::list(tx, device, PageRequest::first(2)).await.unwrap();
            let ids: Vec<CommandId> = page.items.iter().map(|command| command.id).collect();
            assert_eq!((ids, page.next), (vec![bare.id, second.id], Some(second.id.0)));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn unanswered_commands_are_put_back_unless_they_must_not_run_twice() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let other = make.stored_device(db, "bob@contoso.example").await.id;
        let (get, foreign) = (make.command(device), make.command(other));
        let exec = Command {
            verb: Verb::Exec,
            ..make.command(device)
        };
        write(db, async |tx| {
            for command in [&get, &exec, &foreign] {
                commands::insert(tx, command).await.unwrap();
            }
            let all = [get.id, exec.id, foreign.id];
            assert_eq!(commands::mark_sent(tx, &all, at(1)).await.unwrap(), 3);
            assert_eq!(
                commands::requeue_unanswered(tx, device, 5, at(2)).await.unwrap(),
                1
            );
            let queued = commands::queued(tx, device, 2, 9).await.unwrap();
            assert_eq!(
                queued.iter().map(|command| command.id).collect::<Vec<_>>(),
                [get.id]
            );
            assert_eq!(commands::count_queued(tx, other).await.unwrap(), 0);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_never_answered_goes_last_and_is_given_up() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let (bad, good) = (make.command(device), make.command(device));
        let exec = Command {
            verb: Verb::Exec,
            ..make.command(device)
        };
        write(db, async |tx| {
            for command in [&bad, &good, &exec] {
                commands::insert(tx, command).await.unwrap();
            }
            for attempt in 1..=3 {
                commands::mark_sent(tx, &[bad.id], at(attempt)).await.unwrap();
                let queued = commands::queued(tx, device, 2, 9).await.unwrap();
                assert_eq!(
                    queued.iter().map(|c| c.id).collect::<Vec<_>>(),
                    [good.id, exec.id]
                );
                commands::requeue_unanswered(tx, device, 3, at(attempt))
                    .await
                    .unwrap();
                let queued = commands::queued(tx, device, 2, 9).await.unwrap();
                let place = queued.iter().position(|c| c.id == bad.id);
                assert_eq!(
                    place,
                    [Some(0), Some(2), None][usize::try_from(attempt).unwrap() - 1]
                );
            }
            commands::mark_sent(tx, &[exec.id, good.id], at(9)).await.unwrap();
            assert_eq!(
                commands::requeue(tx, &[exec.id, good.id], 3, at(10))
                    .await
                    .unwrap(),
                2
            );
            let end = async |tx: &mut Tx, id| {
                let found = commands::find(tx, id).await.unwrap().unwrap();
                (found.state, found.attempts, found.finished_at)
            };
            assert_eq!(end(tx, bad.id).await, (CommandState::Failed, 3, Some(at(3))));
            assert_eq!(end(tx, exec.id).await, (CommandState::Failed, 1, Some(at(10))));
            assert_eq!(end(tx, good.id).await, (CommandState::Queued, 1, None));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn commands_expire_are_cancelled_and_purged() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await.id;
        let short = Command {
            expires_at: at(10),
            ..make.command(device)
        };
        let long = make.command(device);
        write(db, async |tx| {
            commands::insert(tx, &short).await.unwrap();
            commands::insert(tx, &long).await.unwrap();
            assert_eq!(commands::expire(tx, at(9), 10).await.unwrap(), 0);
            assert_eq!(commands::expire(tx, at(10), 10).await.unwrap(), 1);
            assert_eq!(commands::expire(tx, at(10), 10).await.unwrap(), 0);
            let expired = commands::find(tx, short.id).await.unwrap().unwrap();
            assert_eq!(
                (expired.state, expired.finished_at),
                (CommandState::Failed, Some(at(10)))
            );
            assert_eq!(commands::cancel_for_device(tx, device, at(11)).await.unwrap(), 1);
            let cancelled = commands::find(tx, long.id).await.unwrap().unwrap();
            assert_eq!(
                (cancelled.state, cancelled.finished_at),
                (CommandState::Cancelled, Some(at(11)))
            );
            assert_eq!(commands::purge_finished(tx, at(11), 10).await.unwrap(), 1);
            assert_eq!(commands::find(tx, short.id).await.unwrap(), None);
            assert!(commands::find(tx, long.id).await.unwrap().is_some());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_last_exchanges_of_each_device_are_kept() {
    on_both(async |db: &Db, make: &Make| {
        let ann = make.stored_device(db, "ann@contoso.example").await.id;
        let bob = make.stored_device(db, "bob@contoso.example").await.id;
        let all: Vec<Exchange> = [ann, ann, bob, ann, bob]
            .into_iter()
            .zip(1..)
            .map(|(device_id, msg_id)| Exchange {
                id: ExchangeId(make.id()),
                device_id,
                session_id: "A\"1".to_owned(),
                msg_id,
                request: "<SyncML>\n\t\u{2028}\\</SyncML>".to_owned(),
                response: String::new(),
                at: at(msg_id),
            })
            .collect();
        write(db, async |tx| {
            exchanges::insert(tx, &[]).await.unwrap();
            exchanges::insert(tx, &all).await.unwrap();
            assert_eq!(exchanges::trim(tx, &[ann, ann], 2).await.unwrap(), 1);
            assert_eq!(
                exchanges::list(tx, ann, 10).await.unwrap(),
                [all[3].clone(), all[1].clone()]
            );
            assert_eq!(exchanges::list(tx, ann, 1).await.unwrap(), [all[3].clone()]);
            assert_eq!(
                exchanges::list(tx, bob, 10).await.unwrap(),
                [all[4].clone(), all[2].clone()]
            );
            assert_eq!(exchanges::trim(tx, &[ann, bob], 0).await.unwrap(), 4);
        })
        .await;
    })
    .await;
}
