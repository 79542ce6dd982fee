//! From one engine to the other and back.

use super::*;
use crate::test_support;

#[tokio::test]
async fn every_table_of_the_schema_is_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    let db = crate::Db::connect(&url).await.unwrap();
    let mut link = Link::Sqlite(open::existing_file(&folder.path().join("a.db")).await.unwrap());
    let there: Vec<_> = link.tables().await.unwrap();
    let mut listed: Vec<_> = tables().chain(["_sqlx_migrations"]).collect();
    listed.sort_unstable();
    assert_eq!(there, listed);
    db.close().await;
}

async fn lines(url: &str) -> Vec<(String, Vec<String>)> {
    let mut snapshot = Snapshot::take(url).await.unwrap();
    let mut all = Vec::new();
    for table in snapshot.tables().await.unwrap() {
        let mut lines = Vec::new();
        snapshot
            .rows(table, |line| {
                lines.push(line.to_owned());
                Ok(())
            })
            .await
            .unwrap();
        all.push((table.to_owned(), lines));
    }
    snapshot.close().await.unwrap();
    all
}

async fn load(url: &str, dump: &[(String, Vec<String>)]) {
    filled(url, dump).await.unwrap().finish().await.unwrap();
}

/// A loader with all rows in it.
async fn filled(url: &str, dump: &[(String, Vec<String>)]) -> Result<Loader, DbError> {
    let mut loader = Loader::begin(url, &migrations::known()).await?;
    for (table, lines) in dump {
        let (header, rows) = lines.split_first().unwrap();
        let mut table = loader.table(table, header).await?;
        table.store(&format!("[{}]", rows.join(","))).await?;
    }
    Ok(loader)
}

/// As both engines would write them: without spaces, booleans as numbers, digits of bytes in capitals.
fn plain(dump: Vec<(String, Vec<String>)>) -> Vec<(String, Vec<serde_json::Value>)> {
    let cell = |cell: serde_json::Value| match cell {
        serde_json::Value::Bool(value) => i64::from(value).into(),
        serde_json::Value::String(text) if text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            text.to_uppercase().into()
        }
        other => other,
    };
    let line = |line: String| -> serde_json::Value {
        let cells: Vec<serde_json::Value> = serde_json::from_str(&line).unwrap();
        cells.into_iter().map(cell).collect::<Vec<_>>().into()
    };
    dump.into_iter()
        .map(|(table, lines)| (table, lines.into_iter().map(line).collect()))
        .collect()
}

#[tokio::test]
async fn what_is_loaded_is_what_was_dumped_from_one_engine_to_the_other_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let db = crate::Db::connect(&file("first.db")).await.unwrap();
    for sql in [
        "INSERT INTO settings VALUES ('quotes \"and'' ünï 🦀', 'line\nbreak\\'), ('number', '00123')",
        "INSERT INTO api_tokens VALUES (x'00ff', 'ops', 'admin', x'', 9007199254740993)",
        "INSERT INTO devices (id, state, dm_id, hardware_id, name, upn, kind, enrolled_at, apps_due, details) \
         VALUES (x'01', 'active', 'd', 'h', 'n', 'u', 'full', 1, 1, '{\"a\":\"null\"}'), \
                (x'02', 'ended', 'd', 'h', 'n', 'u', 'full', -1, 0, '{}')",
    ] {
        db.execute_raw(sql).await.unwrap();
    }
    let first = lines(&file("first.db")).await;
    db.close().await;
    load(&file("second.db"), &first).await;
    assert_eq!(lines(&file("second.db")).await, first);
    let again = Loader::begin(&file("second.db"), &migrations::known()).await;
    assert!(matches!(again, Err(DbError::NotEmpty)));
    let Some(server) = test_support::postgres_url() else {
        return;
    };
    let postgres = test_support::postgres_schema(&server).await;
    load(&postgres, &first).await;
    let second = lines(&postgres).await;
    assert_eq!(plain(second.clone()), plain(first.clone()));
    load(&file("third.db"), &second).await;
    assert_eq!(plain(lines(&file("third.db")).await), plain(first));
}

/// An empty file and, where there is a server, an empty schema.
async fn new_places(folder: &Path) -> Vec<String> {
    let mut places = vec![format!("sqlite:{}", folder.join("new.db").display())];
    if let Some(server) = test_support::postgres_url() {
        places.push(test_support::postgres_schema(&server).await);
    }
    places
}

/// A database with a setting, table by table.
async fn small_dump(folder: &Path) -> Vec<(String, Vec<String>)> {
    let url = format!("sqlite:{}", folder.join("old.db").display());
    let db = crate::Db::connect(&url).await.unwrap();
    db.execute_raw("INSERT INTO settings VALUES ('a', '1')")
        .await
        .unwrap();
    db.close().await;
    lines(&url).await
}

#[tokio::test]
async fn a_load_that_fails_at_its_last_table_leaves_nothing_and_the_next_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let good = small_dump(folder.path()).await;
    let mut bad = good.clone();
    let last = bad.iter_mut().rfind(|(_, lines)| lines.len() > 1).unwrap();
    last.1.push("[null,null,null,null,null,null,null]".to_owned());
    for url in new_places(folder.path()).await {
        let failed = filled(&url, &bad).await.err().unwrap();
        assert!(!matches!(failed, DbError::NotEmpty), "{failed}");
        load(&url, &good).await;
        assert_eq!(plain(lines(&url).await), plain(good.clone()));
    }
}

#[tokio::test]
async fn a_load_whose_process_was_killed_leaves_nothing_and_the_next_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let good = small_dump(folder.path()).await;
    for url in new_places(folder.path()).await {
        let loader = filled(&url, &good).await.unwrap();
        match loader.link {
            // The file stays as a killed process leaves it.
            Link::Sqlite(connection) => std::mem::forget(connection),
            Link::Postgres(mut transaction) => {
                let end = "SELECT pg_terminate_backend(pg_backend_pid())";
                assert!(transaction.execute(end).await.is_err());
            }
        }
        load(&url, &good).await;
        assert_eq!(plain(lines(&url).await), plain(good.clone()));
    }
}

#[tokio::test]
async fn a_load_of_an_older_schema_ends_with_the_present_one() {
    let folder = tempfile::tempdir().unwrap();
    for url in new_places(folder.path()).await {
        let mut loader = Loader::begin(&url, &[1, 2, 5]).await.unwrap();
        let header = r#"["key","value"]"#;
        let mut settings = loader.table("settings", header).await.unwrap();
        settings.store(r#"[["a","1"]]"#).await.unwrap();
        loader.finish().await.unwrap();
        let snapshot = Snapshot::take(&url).await.unwrap();
        assert_eq!(snapshot.versions(), migrations::known());
        snapshot.close().await.unwrap();
    }
}
