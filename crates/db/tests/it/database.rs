//! Connections, transactions and the schema itself.

use crate::fixtures::{Make, on_both, write};
use qm_db::{Db, DbError, Engine, groups, settings, test_support};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_behind() {
    on_both(async |db: &Db, _: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        settings::set(&mut tx, "a", "1").await.unwrap();
        drop(tx);
        assert_eq!(
            settings::find(&mut db.read().await.unwrap(), "a").await.unwrap(),
            None
        );
        write(db, async |tx| settings::set(tx, "a", "2").await.unwrap()).await;
        assert_eq!(
            settings::find(&mut db.read().await.unwrap(), "a")
                .await
                .unwrap()
                .as_deref(),
            Some("2")
        );
        db.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn readers_see_the_committed_state_while_somebody_writes() {
    on_both(async |db: &Db, _: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        settings::set(&mut tx, "a", "1").await.unwrap();
        let mut conn = db.read().await.unwrap();
        assert_eq!(settings::find(&mut conn, "a").await.unwrap(), None);
        tx.commit().await.unwrap();
        assert_eq!(
            settings::find(&mut conn, "a").await.unwrap().as_deref(),
            Some("1")
        );
    })
    .await;
}

#[tokio::test]
async fn a_failed_body_is_undone_and_not_repeated() {
    on_both(async |db: &Db, _: &Make| {
        let mut runs = 0;
        let result: Result<(), DbError> = qm_db::run!(db, "test.fails", |tx| {
            runs += 1;
            settings::set(tx, "a", "1").await?;
            settings::set(tx, "b", "\0").await
        });
        assert!(matches!(result, Err(DbError::NulInText)));
        assert_eq!(runs, 1);
        assert_eq!(
            settings::find(&mut db.read().await.unwrap(), "a").await.unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_transaction_is_stored_after_a_refused_statement() {
    on_both(async |db: &Db, make: &Make| {
        let group = make.group("North", Vec::new());
        write(db, async |tx| groups::create(tx, &group).await.unwrap()).await;
        let mut tx = db.begin("test").await.unwrap();
        settings::set(&mut tx, "a", "1").await.unwrap();
        assert!(groups::create(&mut tx, &group).await.is_err());
        assert!(matches!(tx.commit().await, Err(DbError::Aborted)));
        assert_eq!(
            settings::find(&mut db.read().await.unwrap(), "a").await.unwrap(),
            None
        );
    })
    .await;
}

/// Two transactions that take the same two rows in opposite order: PostgreSQL ends one of them with a deadlock error,
/// SQLite lets them run one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_run_again_until_both_have_succeeded() {
    on_both(async |db: &Db, _: &Make| {
        write(db, async |tx| {
            settings::set(tx, "a", "0").await.unwrap();
            settings::set(tx, "b", "0").await.unwrap();
        })
        .await;
        let runs = Arc::new(AtomicU32::new(0));
        let postgres = db.engine() == Engine::Postgres;
        let meeting = Arc::new(tokio::sync::Barrier::new(2));
        let mut tasks = Vec::new();
        for keys in [["a", "b"], ["b", "a"]] {
            let (db, meeting, runs) = (db.clone(), Arc::clone(&meeting), Arc::clone(&runs));
            tasks.push(tokio::spawn(async move {
                let result: Result<(), DbError> = qm_db::run!(db, "test.crossing", |tx| {
                    let run = runs.fetch_add(1, Ordering::SeqCst);
                    settings::set(tx, keys[0], "1").await?;
                    if postgres && run < 2 {
                        meeting.wait().await;
                    }
                    settings::set(tx, keys[1], "1").await
                });
                result
            }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(runs.load(Ordering::SeqCst), if postgres { 3 } else { 2 });
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_always_loses_is_given_up_after_a_few_attempts() {
    let Some(server) = test_support::postgres_url() else {
        println!("left out: SQLite has no serialization failures");
        return;
    };
    let db = test_support::postgres(&server).await;
    for sql in [
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$",
        "CREATE TRIGGER lose BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION lose()",
    ] {
        db.execute_raw(sql).await.unwrap();
    }
    let mut runs = 0;
    let result: Result<(), DbError> = qm_db::run!(db, "test.loses", |tx| {
        runs += 1;
        settings::set(tx, "a", "1").await
    });
    assert!(matches!(result, Err(DbError::Contended(_))), "{result:?}");
    assert_eq!(runs, 6);
}

#[tokio::test]
async fn readers_come_back_and_those_who_ask_too_many_wait() {
    on_both(async |db: &Db, _: &Make| {
        let mut held = Vec::new();
        let waiting = loop {
            let reader = tokio::spawn({
                let db = db.clone();
                async move { db.read().await }
            });
            if held.len() < 4 {
                held.push(reader.await.unwrap().unwrap());
                continue;
            }
            // One that does not come soon waits for somebody else's, or is slow: given up, it must spoil nothing either.
            let abort = reader.abort_handle();
            match tokio::time::timeout(Duration::from_millis(500), reader).await {
                Ok(conn) => held.push(conn.unwrap().unwrap()),
                Err(_) => break abort,
            }
            assert!(held.len() <= 50, "the readers are limited");
        };
        waiting.abort();
        held.pop();
        let mut conn = db.read().await.unwrap();
        // A read that is given up half way must not spoil the connection for the next one.
        let given_up = tokio::time::timeout(Duration::ZERO, settings::find(&mut conn, "a")).await;
        drop((given_up, conn));
        let mut conn = db.read().await.unwrap();
        assert_eq!(settings::find(&mut conn, "a").await.unwrap(), None);
        drop((conn, held));
    })
    .await;
}

#[tokio::test]
async fn a_corrupt_value_is_named_and_nothing_panics() {
    on_both(async |db: &Db, make: &Make| {
        let device = make.stored_device(db, "ann@contoso.example").await;
        for (column, value, good) in [
            ("kind", "no kind", "full"),
            ("details", "{", "{}"),
            ("os_version", "x.y", "10.0.1.0"),
        ] {
            db.execute_raw(&format!("UPDATE devices SET {column} = '{value}'"))
                .await
                .unwrap();
            let found = qm_db::devices::find(&mut db.read().await.unwrap(), device.id).await;
            match found {
                Err(DbError::Corrupt {
                    column: named,
                    statement,
                    ..
                }) => {
                    assert_eq!((named, statement), (column, "qm_db::devices::FIND"));
                }
                other => panic!("{column}: {other:?}"),
            }
            db.execute_raw(&format!("UPDATE devices SET {column} = '{good}'"))
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn refuses_a_schema_that_is_newer_or_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut urls = vec![format!("sqlite:{}", folder.path().join("a.db").display())];
    if let Some(server) = test_support::postgres_url() {
        urls.push(test_support::postgres_schema(&server).await);
    }
    for url in urls {
        let db = Db::connect(&url).await.unwrap();
        db.execute_raw(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             SELECT 99, 'from the future', installed_on, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await
        .unwrap();
        db.close().await;
        let newer = Db::connect(&url).await.unwrap_err();
        assert!(
            matches!(newer, DbError::NewerSchema { found: 99, known } if known < 99),
            "{newer:?}"
        );
    }
}

#[tokio::test]
async fn reopening_keeps_the_data_and_a_new_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    let url = format!("sqlite:{}", path.display());
    let db = Db::connect(&url).await.unwrap();
    write(&db, async |tx| settings::set(tx, "a", "1").await.unwrap()).await;
    db.close().await;
    let db = Db::connect(&url).await.unwrap();
    assert_eq!(
        settings::find(&mut db.read().await.unwrap(), "a")
            .await
            .unwrap()
            .as_deref(),
        Some("1")
    );
    assert!(is_private(&path));
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .unwrap()
        .permissions()
        .mode()
        .is_multiple_of(0o100)
}
#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.exists()
}

#[tokio::test]
async fn a_database_in_memory_serves_readers_and_writers() {
    let db = Db::connect("sqlite::memory:").await.unwrap();
    write(&db, async |tx| settings::set(tx, "a", "1").await.unwrap()).await;
    assert_eq!(
        settings::find(&mut db.read().await.unwrap(), "a")
            .await
            .unwrap()
            .as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn addresses_that_cannot_work_are_refused_without_showing_secrets() {
    for url in ["mysql://root:hunter2@localhost/x", "sqlite:", "quartermaster.db"] {
        let error = Db::connect(url).await.unwrap_err();
        assert!(matches!(error, DbError::BadUrl(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let missing = Db::connect("sqlite:/no/such/folder/x.db").await.unwrap_err();
    assert!(matches!(missing, DbError::Unavailable(..)), "{missing:?}");
    let nobody = Db::connect("postgres://u:hunter2@localhost/x?host=/no/such/folder")
        .await
        .unwrap_err();
    assert!(matches!(nobody, DbError::Unavailable(..)), "{nobody:?}");
    assert!(!format!("{nobody} {nobody:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_part_of_a_transaction_is_undone_alone() {
    on_both(async |db: &Db, make: &Make| {
        let group = make.group("North", Vec::new());
        write(db, async |tx| {
            groups::create(tx, &group).await.unwrap();
            settings::set(tx, "before", "1").await.unwrap();
            for key in ["kept", "refused", "also kept", "given up", "last"] {
                tx.begin_part().await.unwrap();
                settings::set(tx, key, "1").await.unwrap();
                if key == "refused" {
                    assert!(groups::create(tx, &group).await.is_err());
                }
                if matches!(key, "refused" | "given up") {
                    tx.undo_part().await.unwrap();
                }
            }
        })
        .await;
        let mut conn = db.read().await.unwrap();
        let mut stored = Vec::new();
        for key in ["before", "kept", "refused", "also kept", "given up", "last"] {
            if settings::find(&mut conn, key).await.unwrap().is_some() {
                stored.push(key);
            }
        }
        assert_eq!(stored, ["before", "kept", "also kept", "last"]);
    })
    .await;
}

/// Both hold a row that the other one wants next: the part that PostgreSQL ends lets go of its row, so that the other
/// transaction gets on, and what was done before the part stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_lost_a_deadlock_is_undone_and_the_rest_is_kept() {
    let Some(server) = test_support::postgres_url() else {
        println!("left out: SQLite has one writer");
        return;
    };
    let db = test_support::postgres(&server).await;
    write(&db, async |tx| {
        settings::set(tx, "a", "0").await.unwrap();
        settings::set(tx, "b", "0").await.unwrap();
    })
    .await;
    let meeting = Arc::new(tokio::sync::Barrier::new(2));
    let mut tasks = Vec::new();
    for (own, keys) in [("first", ["a", "b"]), ("second", ["b", "a"])] {
        let (db, meeting) = (db.clone(), Arc::clone(&meeting));
        tasks.push(tokio::spawn(async move {
            let mut tx = db.begin("test.crossing").await.unwrap();
            settings::set(&mut tx, own, "1").await.unwrap();
            tx.begin_part().await.unwrap();
            settings::set(&mut tx, keys[0], "1").await.unwrap();
            meeting.wait().await;
            let lost = settings::set(&mut tx, keys[1], "1").await;
            if let Err(error) = &lost {
                assert!(matches!(error, DbError::Contended(_)), "{error:?}");
                tx.undo_part().await.unwrap();
            }
            tx.commit().await.unwrap();
            lost.is_err()
        }));
    }
    let mut lost = Vec::new();
    for task in tasks {
        lost.push(task.await.unwrap());
    }
    assert_eq!(lost.iter().filter(|lost| **lost).count(), 1);
    let mut conn = db.read().await.unwrap();
    for key in ["first", "second"] {
        assert!(settings::find(&mut conn, key).await.unwrap().is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_transaction_given_up_while_it_begins_leaves_the_connection_usable() {
    on_both(async |db: &Db, _: &Make| {
        for turns in 0..60 {
            // BEGIN is on its way, or just done, and nobody waits for its end.
            tokio::select! {
                biased;
                begun = db.begin("test") => drop(begun),
                () = take_turns(turns * 8) => {}
            }
            let mut tx = db.begin("test").await.unwrap();
            qm_db::settings::set(&mut tx, "after", "good").await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut conn = db.read().await.unwrap();
        let kept = qm_db::settings::find(&mut conn, "after").await.unwrap();
        assert_eq!(kept.as_deref(), Some("good"));
    })
    .await;
}

/// Lets others have their turn this many times.
async fn take_turns(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}
