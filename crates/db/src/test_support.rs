//! Fresh databases for tests: always SQLite, and PostgreSQL where `QUARTERMASTER_TEST_POSTGRES` names a server on
//! which schemas may be created.

use crate::{Db, db::EnginePools, open};
use qm_core::{Clock, Rng};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// One empty database for each engine, with the engine's name for messages. They vanish by themselves: SQLite's with
/// the last clone of its `Db`, PostgreSQL's schema when a later test finds it old.
pub async fn test_databases() -> Vec<(&'static str, Db)> {
    let mut databases = vec![("sqlite", sqlite().await)];
    match postgres_url() {
        Some(url) => databases.push(("postgres", postgres(&url).await)),
        None => note("left out: the PostgreSQL half, as QUARTERMASTER_TEST_POSTGRES is not set"),
    }
    databases
}

/// An empty SQLite database in a folder of its own.
pub async fn sqlite() -> Db {
    let folder = tempfile::tempdir().expect("tests may write to the temporary folder");
    let pools = open::open_file(&folder.path().join("test.db"))
        .await
        .expect("an empty file becomes a database");
    Db::in_folder(pools, folder)
}

/// An empty PostgreSQL database: a schema of its own on the test server.
pub async fn postgres(url: &str) -> Db {
    Db::connect(&postgres_schema(url).await)
        .await
        .expect("a new schema becomes a database")
}

/// The address of a new empty schema on the test server.
pub async fn postgres_schema(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.expect("the test server answers");
    let minute = Clock::system().now().as_secs() / 60;
    drop_old_schemas(&mut connection, minute).await;
    let random = u64::from_le_bytes(Rng::system().bytes());
    let schema = format!("qm_test_{minute}_{random:x}");
    let create = format!("CREATE SCHEMA {schema}");
    connection
        .execute(AssertSqlSafe(create))
        .await
        .expect("the test server lets us create a schema");
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options[search_path]={schema}")
}

/// The test server's address, where there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "where the test server is belongs to the test run, not to a configuration"
)]
pub fn postgres_url() -> Option<String> {
    std::env::var("QUARTERMASTER_TEST_POSTGRES")
        .ok()
        .filter(|url| !url.is_empty())
}

/// Schemas older than an hour are nobody's any more. Other tests may be dropping the same ones: failures do not matter.
async fn drop_old_schemas(connection: &mut PgConnection, minute: i64) {
    let list = "SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE nspname LIKE 'qm\\_test\\_%' LIMIT 200";
    for row in connection.fetch_all(list).await.unwrap_or_default() {
        let name: String = row.get(0);
        let made = name.split('_').nth(2).and_then(|text| text.parse::<i64>().ok());
        if made.is_some_and(|made| made < minute - 60) {
            let drop = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
            let _ = connection.execute(AssertSqlSafe(drop)).await;
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test run tells what it leaves out")]
fn note(text: &str) {
    eprintln!("{text}");
}

impl Db {
    /// Runs any statement, for tests that look behind the API or spoil rows on purpose.
    pub async fn execute_raw(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self.pools() {
            EnginePools::Sqlite { writer, .. } => {
                let mut lent = writer.acquire().await?;
                let done = lent.begin()?.execute(sql).await;
                lent.ended(done)?.rows_affected()
            }
            EnginePools::Postgres { writers, .. } => {
                let mut lent = writers.acquire().await?;
                let done = lent.begin()?.execute(sql).await;
                lent.ended(done)?.rows_affected()
            }
        })
    }
}
