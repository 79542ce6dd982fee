use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    JobId, PageRequest, Timestamp,
    job::{JobKind, JobState, LeasedJob},
};
use qm_db::{
    Db, DbError, jobs,
    jobs::{Claim, NewJob},
};

fn job(make: &Make, key: &str, run_at: Timestamp) -> NewJob {
    NewJob {
        id: JobId(make.id()),
        kind: JobKind::Seats,
        key: key.to_owned(),
        payload: "{}".to_owned(),
        run_at,
        created_at: NOON,
    }
}
async fn claim(db: &Db, make: &Make, now: Timestamp, limit: u32) -> Vec<LeasedJob> {
    let wanted = Claim {
        kinds: &[JobKind::Seats],
        now,
        lease_until: now + MINUTE,
        token: make.id(),
        limit,
    };
    write(db, async |tx| jobs::claim(tx, wanted).await.unwrap()).await
}
fn keys(leased: &[LeasedJob]) -> Vec<&str> {
    let mut keys: Vec<_> = leased.iter().map(|job| job.key.as_str()).collect();
    keys.sort_unstable();
    keys
}
const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

#[tokio::test]
async fn a_queued_job_is_one_for_each_kind_and_key() {
    on_both(async |db: &Db, make: &Make| {
        let (late, early, other) = (
            job(make, "a", at(20)),
            job(make, "a", at(10)),
            job(make, "b", at(30)),
        );
        write(db, async |tx| {
            assert_eq!(jobs::enqueue(tx, &late).await.unwrap(), late.id);
            assert_eq!(jobs::enqueue(tx, &early).await.unwrap(), late.id);
            assert_eq!(
                jobs::enqueue(
                    tx,
                    &NewJob {
                        id: make.id(),
                        ..late.clone()
                    }
                )
                .await
                .unwrap(),
                late.id
            );
            assert_eq!(jobs::enqueue(tx, &other).await.unwrap(), other.id);
            let sync = NewJob {
                id: make.id(),
                kind: JobKind::StoreSync,
                ..late.clone()
            };
            assert_eq!(jobs::enqueue(tx, &sync).await.unwrap(), sync.id);
            let found = jobs::find(tx, late.id).await.unwrap().unwrap();
            assert_eq!(
                (found.state, found.run_at, found.attempts),
                (JobState::Queued, at(10), 0)
            );
            assert_eq!(jobs::find(tx, early.id).await.unwrap(), None);
            assert_eq!(jobs::next_due(tx, &[JobKind::Seats]).await.unwrap(), Some(at(10)));
            assert_eq!(jobs::next_due(tx, &[JobKind::Content]).await.unwrap(), None);
            assert!(!jobs::ensure(tx, &job(make, "b", NOON)).await.unwrap());
            assert!(jobs::ensure(tx, &job(make, "c", at(99))).await.unwrap());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn due_jobs_are_leased_and_only_the_lease_ends_them() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            for (key, due) in [("a", 10), ("b", 5), ("c", 50)] {
                jobs::enqueue(tx, &job(make, key, at(due))).await.unwrap();
            }
        })
        .await;
        let first = claim(db, make, at(10), 1).await;
        assert_eq!(keys(&first), ["b"], "the longest due first");
        assert_eq!((first[0].attempts, first[0].lease_until), (1, at(70)));
        let second = claim(db, make, at(10), 9).await;
        assert_eq!(keys(&second), ["a"]);
        assert_eq!(claim(db, make, at(10), 9).await, []);

        write(db, async |tx| {
            assert!(
                !jobs::ensure(tx, &job(make, "a", at(1))).await.unwrap(),
                "it is running"
            );
            let thief = LeasedJob {
                lease_token: make.id(),
                ..first[0].clone()
            };
            assert!(!jobs::finish(tx, &thief, at(11)).await.unwrap());
            assert!(jobs::finish(tx, &first[0], at(11)).await.unwrap());
            assert!(!jobs::finish(tx, &first[0], at(12)).await.unwrap());
            let done = jobs::find(tx, first[0].id).await.unwrap().unwrap();
            assert_eq!((done.state, done.finished_at), (JobState::Done, Some(at(11))));
            let newest = jobs::newest(tx, JobKind::Seats, "b").await.unwrap();
            assert_eq!(newest, Some(done));
            assert_eq!(jobs::purge_finished(tx, at(11), 9).await.unwrap(), 0);
            assert_eq!(jobs::purge_finished(tx, at(12), 9).await.unwrap(), 1);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_alone_takes_up_what_the_last_run_left() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", at(0))).await.unwrap();
        })
        .await;
        let left = claim(db, make, at(1), 9).await.remove(0);
        write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", at(1))).await.unwrap();
        })
        .await;
        assert_eq!(claim(db, make, at(2), 9).await, [], "the lease holds");
        write(db, async |tx| {
            assert_eq!(jobs::end_leases(tx, at(2)).await.unwrap(), 1);
            assert_eq!(jobs::end_leases(tx, at(2)).await.unwrap(), 0);
        })
        .await;
        let taken = claim(db, make, at(2), 9).await;
        assert_eq!(
            (taken.len(), taken[0].id),
            (1, left.id),
            "the one queued meanwhile waits"
        );
    })
    .await;
}

#[tokio::test]
async fn failed_jobs_are_tried_later_and_given_up_in_the_end() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", NOON)).await.unwrap()
        })
        .await;
        let lease = claim(db, make, NOON, 1).await.remove(0);
        write(db, async |tx| {
            assert!(jobs::retry_at(tx, &lease, at(5), "timeout", at(1)).await.unwrap());
        })
        .await;
        assert_eq!(claim(db, make, at(4), 1).await, []);
        let again = claim(db, make, at(5), 1).await.remove(0);
        assert_eq!((again.id, again.attempts), (lease.id, 2));
        write(db, async |tx| {
            assert!(!jobs::dead(tx, &lease, "old lease", at(6)).await.unwrap());
            assert!(jobs::dead(tx, &again, "refused", at(6)).await.unwrap());
            let page = jobs::list_dead(tx, PageRequest::first(9)).await.unwrap();
            assert_eq!(page.items.len(), 1);
            assert_eq!(page.items[0].error.as_deref(), Some("refused"));
            assert_eq!(page.items[0].finished_at, Some(at(6)));
        })
        .await;
        assert_eq!(claim(db, make, at(500), 9).await, [], "the dead stay dead");
    })
    .await;
}

#[tokio::test]
async fn a_postponed_job_loses_no_attempt_and_can_be_hurried() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", NOON)).await.unwrap();
            jobs::enqueue(tx, &job(make, "b", at(900))).await.unwrap()
        })
        .await;
        let lease = claim(db, make, NOON, 1).await.remove(0);
        write(db, async |tx| {
            assert!(
                jobs::postpone(tx, &lease, at(600), "closed", at(1))
                    .await
                    .unwrap()
            );
            assert!(
                !jobs::postpone(tx, &lease, at(600), "closed", at(1))
                    .await
                    .unwrap(),
                "the lease is over"
            );
            assert_eq!(jobs::hurry(tx, &[JobKind::Content], at(2)).await.unwrap(), 0);
            assert_eq!(jobs::hurry(tx, &[JobKind::Seats], at(2)).await.unwrap(), 2);
        })
        .await;
        let claimed = claim(db, make, at(2), 9).await;
        assert_eq!(keys(&claimed), ["a", "b"]);
        assert!(claimed.iter().all(|job| job.attempts == 1), "{claimed:?}");
    })
    .await;
}

#[tokio::test]
async fn one_key_never_runs_twice_at_once() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", NOON)).await.unwrap()
        })
        .await;
        let running = claim(db, make, NOON, 1).await.remove(0);
        let next = write(db, async |tx| {
            jobs::enqueue(tx, &job(make, "a", NOON)).await.unwrap()
        })
        .await;
        assert_ne!(
            next, running.id,
            "what was asked for during a run is done after it"
        );
        assert_eq!(claim(db, make, at(1), 9).await, []);
        let taken_over = claim(db, make, at(60), 9).await;
        assert_eq!(
            taken_over.iter().map(|job| job.id).collect::<Vec<_>>(),
            [running.id],
            "its lease is over"
        );
        write(db, async |tx| {
            assert!(!jobs::renew(tx, &running, at(999)).await.unwrap());
            assert!(jobs::renew(tx, &taken_over[0], at(200)).await.unwrap());
            assert_eq!(jobs::next_due(tx, &[JobKind::Seats]).await.unwrap(), Some(NOON));
        })
        .await;
        assert_eq!(claim(db, make, at(199), 9).await, []);
        write(db, async |tx| {
            assert!(
                jobs::retry_at(tx, &taken_over[0], at(300), "later", at(200))
                    .await
                    .unwrap()
            );
            let merged = jobs::find(tx, running.id).await.unwrap().unwrap();
            assert_eq!(
                (merged.state, merged.finished_at),
                (JobState::Done, Some(at(200)))
            );
        })
        .await;
        let claimed = claim(db, make, at(200), 9).await;
        assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [next]);
    })
    .await;
}

#[tokio::test]
async fn workers_that_claim_at_once_share_the_jobs() {
    on_both(async |db: &Db, make: &Make| {
        write(db, async |tx| {
            for n in 0..20 {
                jobs::enqueue(tx, &job(make, &format!("k{n}"), NOON))
                    .await
                    .unwrap();
            }
        })
        .await;
        let mut workers = Vec::new();
        for _ in 0..4 {
            let (db, token) = (db.clone(), make.id());
            workers.push(tokio::spawn(async move {
                let wanted = Claim {
                    kinds: &[JobKind::Seats],
                    now: NOON,
                    lease_until: at(60),
                    token,
                    limit: 5,
                };
                let leased: Result<Vec<LeasedJob>, DbError> =
                    qm_db::run!(db, "test.claim", |tx| jobs::claim(tx, wanted).await);
                leased.unwrap()
            }));
        }
        let mut claimed = Vec::new();
        for worker in workers {
            claimed.extend(worker.await.unwrap());
        }
        let total = claimed.len();
        claimed.sort_by_key(|job| job.id);
        claimed.dedup_by_key(|job| job.id);
        assert_eq!(claimed.len(), total, "no job has two holders");
        assert!(total >= 5, "{total}");
    })
    .await;
}
