//! Values on their way out of a row: the only place where bad data is noticed.

use crate::error::DbError;
use qm_core::{
    ApiTokenId, AppId, Architecture, AuditId, CommandId, DeploymentId, DeviceId, EnrollmentTokenId,
    ExchangeId, GroupId, JobId, PackageId, SeatId, SessionRowId, Sha256, TargetId, Timestamp, Version,
    access, app, command, deployment, device, job, seat,
};
use serde::de::DeserializeOwned;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

/// A row of either engine.
#[derive(Clone, Copy)]
pub(crate) struct Row<'r> {
    pub(crate) statement: &'static str,
    pub(crate) cells: Cells<'r>,
}
#[derive(Clone, Copy)]
pub(crate) enum Cells<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// What both drivers can decode.
pub(crate) trait Raw:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}
impl Raw for bool {}
impl Raw for i64 {}
impl Raw for String {}
impl Raw for Vec<u8> {}

/// A value that a column of kind `Raw` holds.
pub(crate) trait Column: Sized {
    type Raw: Raw;
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;
}

impl Row<'_> {
    /// The value of a column that is never null.
    pub(crate) fn get<T: Column>(self, column: &'static str) -> Result<T, DbError> {
        let corrupt = |reason| self.corrupt(column, reason);
        self.optional(column)?
            .ok_or_else(|| corrupt("it is null".to_owned()))
    }

    /// The value of a column that may be null.
    pub(crate) fn optional<T: Column>(self, column: &'static str) -> Result<Option<T>, DbError> {
        let raw: Option<T::Raw> = match self.cells {
            Cells::Sqlite(row) => row.try_get(column),
            Cells::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| self.corrupt(column, error.to_string()))?;
        raw.map(T::from_raw)
            .transpose()
            .map_err(|reason| self.corrupt(column, reason))
    }

    /// The value of a column with JSON text.
    pub(crate) fn json<T: DeserializeOwned>(self, column: &'static str) -> Result<T, DbError> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| self.corrupt(column, error.to_string()))
    }

    /// The value of a column with JSON text that may be null.
    pub(crate) fn optional_json<T: DeserializeOwned>(
        self,
        column: &'static str,
    ) -> Result<Option<T>, DbError> {
        let text: Option<String> = self.optional(column)?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse)
            .transpose()
            .map_err(|error| self.corrupt(column, error.to_string()))
    }

    fn corrupt(self, column: &'static str, reason: String) -> DbError {
        DbError::Corrupt {
            statement: self.statement,
            column,
            reason,
        }
    }
}

/// The value as JSON text for a column.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our records have text keys and serialize without failing")
}

macro_rules! plain {
    ($($type:ty),+) => {$(
        impl Column for $type {
            type Raw = $type;
            fn from_raw(raw: $type) -> Result<Self, String> {
                Ok(raw)
            }
        }
    )+};
}
plain!(bool, i64, String, Vec<u8>);

impl Column for Timestamp {
    type Raw = i64;
    fn from_raw(raw: i64) -> Result<Self, String> {
        Ok(Self::from_millis(raw))
    }
}
impl Column for Sha256 {
    type Raw = Vec<u8>;
    fn from_raw(raw: Vec<u8>) -> Result<Self, String> {
        raw.try_into()
            .map(Self)
            .map_err(|raw: Vec<u8>| format!("{} bytes are no SHA-256 digest", raw.len()))
    }
}
impl Column for Uuid {
    type Raw = Vec<u8>;
    fn from_raw(raw: Vec<u8>) -> Result<Self, String> {
        Self::from_slice(&raw).map_err(|error| error.to_string())
    }
}

macro_rules! ids {
    ($($id:ty),+ $(,)?) => {$(
        impl Column for $id {
            type Raw = Vec<u8>;
            fn from_raw(raw: Vec<u8>) -> Result<Self, String> {
                Uuid::from_raw(raw).map(Self)
            }
        }
    )+};
}
ids!(
    ApiTokenId,
    AppId,
    AuditId,
    CommandId,
    DeploymentId,
    DeviceId,
    EnrollmentTokenId,
    ExchangeId,
    GroupId,
    JobId,
    PackageId,
    SeatId,
    SessionRowId,
    TargetId,
);

macro_rules! texts {
    ($($name:ty),+ $(,)?) => {$(
        impl Column for $name {
            type Raw = String;
            fn from_raw(raw: String) -> Result<Self, String> {
                raw.parse().map_err(|error: <$name as std::str::FromStr>::Err| error.to_string())
            }
        }
    )+};
}
texts!(
    Architecture,
    Version,
    access::Role,
    app::AppSource,
    app::AppState,
    app::LicenseKind,
    app::PackageRole,
    command::CommandState,
    command::Verb,
    qm_core::circuit::CircuitState,
    crate::store_status::SyncState,
    deployment::Context,
    deployment::DeploymentState,
    deployment::Intent,
    deployment::TargetState,
    device::CertificateState,
    device::DeviceState,
    device::EndReason,
    device::EnrollmentKind,
    job::JobKind,
    job::JobState,
    seat::SeatState,
);
