//! What a compiler would check: every text is prepared on both engines, and none of them walks through a table that
//! grows with the number of devices.

use super::*;
use crate::{Db, db::EnginePools, test_support};
use sqlx::{Executor, Row, SqlSafeStr, Statement};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_statement_can_be_prepared_on_both_engines() {
    for (engine, db) in test_support::test_databases().await {
        let mut refused = Vec::new();
        for sql in statements() {
            if let Err(error) = prepare(&db, sql).await {
                refused.push(format!(
                    "{} on {engine}: {error}\n{}",
                    sql.name,
                    sql.text(db.engine())
                ));
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}

#[test]
fn every_statement_has_a_name_of_its_own_and_all_words_are_known() {
    let mut names = BTreeSet::new();
    for sql in statements() {
        assert!(names.insert(sql.name), "{}", sql.name);
        for engine in [Engine::Sqlite, Engine::Postgres] {
            assert!(
                !sql.text(engine).contains('{'),
                "{}: {}",
                sql.name,
                sql.text(engine)
            );
        }
    }
    assert!(names.len() > 150, "{}", names.len());
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let db = test_support::sqlite().await;
    let EnginePools::Sqlite { writer, .. } = db.pools() else {
        panic!("SQLite was asked for")
    };
    let mut scanning = BTreeSet::new();
    for sql in statements() {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.text(Engine::Sqlite)));
        let plan = writer
            .acquire()
            .await
            .unwrap()
            .begin()
            .unwrap()
            .fetch_all(explain)
            .await
            .unwrap();
        for step in plan.iter().map(|row| row.get::<String, _>("detail")) {
            let scans = step
                .strip_prefix("SCAN ")
                .is_some_and(|of| !HARMLESS_SCANS.iter().any(|h| of.starts_with(h)));
            if scans {
                scanning.insert(format!("{}: {step}", sql.name.trim_start_matches("qm_db::")));
            }
        }
    }
    assert_eq!(
        scanning,
        WHOLE_TABLE.iter().map(|&line| line.to_owned()).collect()
    );
}

/// What a reader finds in the catalogue of either engine: table and column.
#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_indexes() {
    let databases = test_support::test_databases().await;
    let mut seen = Vec::new();
    for (_, db) in &databases {
        seen.push(match db.pools() {
            EnginePools::Sqlite { writer, .. } => {
                let mut lent = writer.acquire().await.unwrap();
                names(&lent.begin().unwrap().fetch_all(SQLITE_NAMES).await.unwrap())
            }
            EnginePools::Postgres { writers, .. } => {
                let mut lent = writers.acquire().await.unwrap();
                names(&lent.begin().unwrap().fetch_all(POSTGRES_NAMES).await.unwrap())
            }
        });
    }
    assert!(seen[0].len() > 180, "{}", seen[0].len());
    for other in &seen[1..] {
        let differences: Vec<_> = seen[0].symmetric_difference(other).collect();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

fn names<R: Row>(rows: &[R]) -> BTreeSet<String>
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    rows.iter().map(|row| row.get(0)).collect()
}

/// Columns as `table.column`, indexes that were given a name by that name.
const SQLITE_NAMES: &str = "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' \
    UNION SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%'";
const POSTGRES_NAMES: &str = "SELECT table_name || '.' || column_name FROM information_schema.columns \
    WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations' \
    UNION SELECT CAST(indexname AS TEXT) FROM pg_indexes WHERE schemaname = current_schema() \
    AND indexname NOT LIKE '%\\_pkey' AND indexname NOT LIKE '%\\_key'";

#[tokio::test]
async fn a_reading_connection_to_a_file_cannot_write() {
    let db = test_support::sqlite().await;
    let EnginePools::Sqlite { readers, .. } = db.pools() else {
        panic!("SQLite was asked for")
    };
    assert!(
        readers
            .acquire()
            .await
            .unwrap()
            .begin()
            .unwrap()
            .execute("DELETE FROM settings")
            .await
            .is_err()
    );
}

async fn prepare(db: &Db, sql: &'static Sql) -> Result<usize, sqlx::Error> {
    let text = sql.text(db.engine()).into_sql_str();
    Ok(match db.pools() {
        EnginePools::Sqlite { writer, .. } => writer
            .acquire()
            .await?
            .begin()?
            .prepare(text)
            .await?
            .columns()
            .len(),
        EnginePools::Postgres { writers, .. } => writers
            .acquire()
            .await?
            .begin()?
            .prepare(text)
            .await?
            .columns()
            .len(),
    })
}

/// The rows that are given, and what was found by an index before.
const HARMLESS_SCANS: &[&str] = &[
    "json_each",
    "given",
    "ranked",
    "(",
    "CONSTANT ROW",
    "selected",
    "waiting",
    "claimed",
    "chosen",
];
/// Statements that are meant to look at a small table, at a small index, or now and then at all devices.
const WHOLE_TABLE: &[&str] = &[
    "apps::AVAILABLE_FROM_STORE: SCAN apps",
    "apps::FORGET_MISSING: SCAN apps",
    "apps::MISSING: SCAN apps",
    "devices::COUNTS: SCAN devices",
    "seats::APPS_WITH_WORK: SCAN seats USING COVERING INDEX seats_assigning",
    "seats::APPS_WITH_WORK: SCAN seats USING COVERING INDEX seats_reclaiming",
    "targets::queries::APPS_AWAITING_SEATS: SCAN t USING INDEX targets_awaiting_seat",
    "targets::queries::APPS_WITH_PLANNED: SCAN t USING INDEX targets_planned",
    "unused_content::FORGET_OTHERS: SCAN unused_content",
];
