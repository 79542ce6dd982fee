//! The schema's history, embedded. Both engines have the same steps under the same names.

use crate::error::DbError;
use sqlx::{
    PgConnection, PgPool, SqlSafeStr, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

macro_rules! steps {
    ($engine:literal: $($version:literal $name:literal),+) => {
        &[$(Step {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $engine, "/", $name, ".sql")),
        }),+]
    };
}
const SQLITE: &[Step] = steps!("sqlite":
    1 "0001_initial",
    2 "0002_retention",
    5 "0005_store_circuit",
    6 "0006_interrupted_sessions",
    8 "0008_missing_products"
);
const POSTGRES: &[Step] = steps!("postgres":
    1 "0001_initial",
    2 "0002_retention",
    5 "0005_store_circuit",
    6 "0006_interrupted_sessions",
    8 "0008_missing_products"
);

struct Step {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

pub(crate) async fn bring_up_sqlite(pool: &SqlitePool) -> Result<(), DbError> {
    migrator(SQLITE)
        .run(pool)
        .await
        .map_err(|error| refused(error, SQLITE))
}

/// Several servers may start at once: the migrator holds an advisory lock.
pub(crate) async fn bring_up_postgres(pool: &PgPool) -> Result<(), DbError> {
    migrator(POSTGRES)
        .run(pool)
        .await
        .map_err(|error| refused(error, POSTGRES))
}

/// Makes the schema as it was after these steps.
pub(crate) async fn bring_sqlite_to(
    connection: &mut SqliteConnection,
    versions: &[i64],
) -> Result<(), DbError> {
    let migrator = migrator(SQLITE.iter().filter(|step| versions.contains(&step.version)));
    migrator
        .run(connection)
        .await
        .map_err(|error| refused(error, SQLITE))
}

/// Makes the schema as it was after these steps.
pub(crate) async fn bring_postgres_to(
    connection: &mut PgConnection,
    versions: &[i64],
) -> Result<(), DbError> {
    let migrator = migrator(POSTGRES.iter().filter(|step| versions.contains(&step.version)));
    migrator
        .run(connection)
        .await
        .map_err(|error| refused(error, POSTGRES))
}

/// Refuses steps that this program does not know.
pub(crate) fn check_known(versions: &[i64]) -> Result<(), DbError> {
    let unknown = |version: &&i64| SQLITE.iter().all(|step| step.version != **version);
    match versions.iter().find(unknown) {
        Some(found) => Err(DbError::NewerSchema {
            found: *found,
            known: SQLITE.last().map_or(0, |step| step.version),
        }),
        None => Ok(()),
    }
}

/// All steps.
pub(crate) fn known() -> Vec<i64> {
    SQLITE.iter().map(|step| step.version).collect()
}

fn migrator<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Migrator {
    let migration = |step: &Step| {
        let sql = step.sql.into_sql_str();
        Migration::new(step.version, step.name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(steps.into_iter().map(migration).collect())
}

fn refused(error: MigrateError, steps: &[Step]) -> DbError {
    match error {
        MigrateError::VersionMissing(found) => DbError::NewerSchema {
            found,
            known: steps.last().map_or(0, |step| step.version),
        },
        MigrateError::VersionMismatch(version) => DbError::ForeignSchema(version),
        MigrateError::Execute(source) => DbError::from_driver("migrations", source),
        other => DbError::Migration(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_the_same_steps_in_order() {
        let names = |steps: &[Step]| steps.iter().map(|s| (s.version, s.name)).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
        assert!(SQLITE.is_sorted_by(|a, b| a.version < b.version));
    }
}
