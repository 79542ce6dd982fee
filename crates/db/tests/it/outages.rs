//! What happens when the database goes away and comes back: a PostgreSQL server that is stopped, connections that are
//! cut, a disk that is full.

use crate::fixtures::write;
use qm_db::{Db, DbError, Outage, settings, test_support};
use qm_test_postgres::{Cluster, Cut, Stop, Way};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

/// A server of the test's own, where PostgreSQL is installed.
fn cluster() -> Option<Cluster> {
    let Some(binaries) = Cluster::find_binaries() else {
        println!("left out: the PostgreSQL half, as its server is not installed");
        return None;
    };
    Some(Cluster::start(&binaries).unwrap())
}

async fn set(db: &Db, key: &str, value: &str) -> Result<(), DbError> {
    qm_db::run!(db, "test.set", |tx| settings::set(tx, key, value).await)
}

async fn find(db: &Db, key: &str) -> Result<Option<String>, DbError> {
    settings::find(&mut db.read().await?, key).await
}

/// Connections for reading and writing that were used a moment ago and are trusted.
async fn warm(db: &Db) {
    set(db, "warm", "1").await.unwrap();
    let held = [db.read().await.unwrap(), db.read().await.unwrap()];
    for mut conn in held {
        settings::find(&mut conn, "warm").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_is_reported_and_used_again_when_it_is_back() {
    let Some(cluster) = cluster() else { return };
    let db = Db::connect(&cluster.url()).await.unwrap();
    warm(&db).await;
    let mut half = db.begin("test.half").await.unwrap();
    settings::set(&mut half, "half", "1").await.unwrap();
    cluster.stop(Stop::Immediate).unwrap();
    let (lost, reading, writing, checked) = tokio::join!(
        settings::set(&mut half, "half", "2"),
        find(&db, "warm"),
        set(&db, "away", "1"),
        db.check(),
    );
    for (what, outage) in [
        ("a transaction under way", lost.unwrap_err().outage()),
        ("a read", reading.unwrap_err().outage()),
        ("a write", writing.unwrap_err().outage()),
    ] {
        assert!(outage.is_some(), "{what}");
    }
    assert_eq!(checked.unwrap_err().outage(), Some(Outage::Refused));
    let start = Db::connect(&cluster.url()).await.unwrap_err();
    assert!(
        start.to_string().contains("is the PostgreSQL server running?"),
        "{start}"
    );
    drop(half);
    cluster.resume().unwrap();
    assert_eq!(find(&db, "half").await.unwrap(), None);
    set(&db, "back", "1").await.unwrap();
    db.check().await.unwrap();
    // A server that went and came between two requests: nobody notices.
    warm(&db).await;
    cluster.stop(Stop::Fast).unwrap();
    cluster.resume().unwrap();
    let (reading, writing) = tokio::join!(find(&db, "back"), set(&db, "back", "2"));
    assert!(reading.unwrap().is_some());
    writing.unwrap();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_cost_nobody_more_than_another_attempt() {
    let Some(cluster) = cluster() else { return };
    let way = Way::to(cluster.port()).await.unwrap();
    let db = Db::connect(&way.url()).await.unwrap();
    terminated_backends_go_unnoticed(&cluster, &db).await;
    a_lost_answer_to_a_commit_is_told_and_not_repeated(&way, &db).await;
    Box::pin(a_vanished_host_hangs_nobody(&way, &db)).await;
    db.close().await;
}

async fn terminated_backends_go_unnoticed(cluster: &Cluster, db: &Db) {
    let mut admin = PgConnection::connect(&cluster.url()).await.unwrap();
    let terminate = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                     WHERE application_name = 'quartermaster'";
    warm(db).await;
    admin.execute(terminate).await.unwrap();
    let (reading, writing) = tokio::join!(find(db, "warm"), set(db, "a", "1"));
    assert!(reading.unwrap().is_some());
    writing.unwrap();

    let mut runs = 0;
    let stored: Result<(), DbError> = qm_db::run!(db, "test.broken", |tx| {
        runs += 1;
        settings::set(tx, "b", "1").await?;
        if runs == 1 {
            admin.execute(terminate).await.unwrap();
        }
        settings::set(tx, "c", "1").await
    });
    stored.unwrap();
    assert_eq!(runs, 2);
    assert!(find(db, "b").await.unwrap().is_some() && find(db, "c").await.unwrap().is_some());
}

async fn a_lost_answer_to_a_commit_is_told_and_not_repeated(way: &Way, db: &Db) {
    way.set(Cut::AtCommit);
    let mut runs = 0;
    let stored: Result<(), DbError> = qm_db::run!(db, "test.uncertain", |tx| {
        runs += 1;
        settings::set(tx, "uncertain", "1").await
    });
    assert!(matches!(stored, Err(DbError::Uncertain(_))), "{stored:?}");
    assert_eq!((runs, way.cut()), (1, Cut::Open));
    assert_eq!(find(db, "uncertain").await.unwrap().as_deref(), Some("1"));
}

async fn a_vanished_host_hangs_nobody(way: &Way, db: &Db) {
    warm(db).await;
    let mut open = db.begin("test.open").await.unwrap();
    settings::set(&mut open, "open", "1").await.unwrap();
    way.set(Cut::Silent);
    let (committed, reading, writing, checked) =
        tokio::join!(open.commit(), find(db, "warm"), set(db, "d", "1"), db.check());
    assert!(matches!(committed, Err(DbError::Uncertain(_))), "{committed:?}");
    for result in [reading.map(|_| ()), writing, checked] {
        assert_eq!(result.unwrap_err().outage(), Some(Outage::Silent));
    }
    way.set(Cut::Open);
    assert!(find(db, "warm").await.unwrap().is_some());
    set(db, "d", "2").await.unwrap();
    assert_eq!(find(db, "open").await.unwrap(), None);
}

/// A writer that may not grow its file meets the same error as one whose disk is full.
async fn fill(db: &Db) -> DbError {
    db.execute_raw("PRAGMA max_page_count = 1").await.unwrap();
    for n in 0..10_000 {
        let text = "x".repeat(1000);
        if let Err(error) = set(db, &n.to_string(), &text).await {
            return error;
        }
    }
    panic!("the file grows without end");
}

#[tokio::test]
async fn a_full_disk_stores_nothing_by_halves_and_takes_no_reads_down() {
    let db = test_support::sqlite().await;
    let full = fill(&db).await;
    assert_eq!(full.outage(), Some(Outage::Full), "{full}");
    let halves: Result<(), DbError> = qm_db::run!(db, "test.halves", |tx| {
        settings::set(tx, "0", "small").await?;
        settings::set(tx, "large", &"x".repeat(100_000)).await
    });
    assert_eq!(halves.unwrap_err().outage(), Some(Outage::Full));
    assert_eq!(find(&db, "0").await.unwrap().map(|text| text.len()), Some(1000));
    assert_eq!(db.hindrance(), Some(Outage::Full));
    let checked = db.check().await.unwrap_err();
    assert!(checked.to_string().contains("its disk is full"), "{checked}");
    db.execute_raw("PRAGMA max_page_count = 100000").await.unwrap();
    db.check().await.unwrap();
    assert_eq!(db.hindrance(), None);
    set(&db, "large", &"x".repeat(100_000)).await.unwrap();
}

#[tokio::test]
async fn a_file_that_another_program_holds_or_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("held.db").display());
    let db = Db::connect(&url).await.unwrap();
    write(&db, async |tx| settings::set(tx, "a", "1").await.unwrap()).await;
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    db.execute_raw("PRAGMA busy_timeout = 20").await.unwrap();
    assert_eq!(
        set(&db, "a", "2").await.unwrap_err().outage(),
        Some(Outage::Locked)
    );
    assert_eq!(find(&db, "a").await.unwrap().as_deref(), Some("1"));
    other.execute("ROLLBACK").await.unwrap();
    set(&db, "a", "3").await.unwrap();

    db.execute_raw("PRAGMA query_only = ON").await.unwrap();
    assert_eq!(
        set(&db, "a", "4").await.unwrap_err().outage(),
        Some(Outage::ReadOnly)
    );
    assert_eq!(db.check().await.unwrap_err().outage(), Some(Outage::ReadOnly));
    db.execute_raw("PRAGMA query_only = OFF").await.unwrap();
    db.check().await.unwrap();
    set(&db, "a", "5").await.unwrap();
}
