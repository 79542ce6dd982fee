//! The few things that the two engines say differently, each a `{word}` in a portable text:
//!
//! - `{rows $3 id blob, at bigint}`: a row source named `given`, filled by the last parameter. SQLite reads it from
//!   one JSON text, PostgreSQL from one array for each column; both beat row-by-row statements by far.
//! - `{for_update}`, `{skip_locked}`: PostgreSQL waits for whoever else changes these rows, or passes over them; SQLite
//!   has one writer anyway. Rows that only refer to a locked one (foreign keys) may be stored meanwhile.
//! - `{uuid_v7 $3 place}`: a new id, made at the moment that the parameter tells, by the database's own random source: for
//!   rows that are made from rows. `place` is the row's number: ids in the order of the rows, as indexes like them.
//! - `{now}`: the moment by the clock of the database's machine, in unix milliseconds.
//! - `{selected}`: the devices of a [`Selection`](crate::selection::Selection), each once; `{kind d}`: the
//!   [`Kind`](crate::selection::Kind) of a device.
//! - `{columns}`, `{columns d}`: the module's column list, for brevity only.

use crate::{
    error::DbError,
    param::{Kind, Param, Rows},
};
use sqlx::{Arguments, postgres::PgArguments, sqlite::SqliteArguments};
use std::fmt::Write;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The text that an engine gets. A word that is not known stays, and no engine will prepare it.
pub(crate) fn expand(engine: Engine, text: &str, columns: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (word, after) = after.split_once('}').unwrap_or((after, ""));
        match word.split_once(' ').unwrap_or((word, "")) {
            ("columns", "") => out.push_str(columns),
            ("columns", table) => out.push_str(&qualified(columns, table)),
            ("rows", spec) => out.push_str(&row_source(engine, spec)),
            ("uuid_v7", spec) => out.push_str(&uuid_v7(engine, spec)),
            ("now", "") => out.push_str(now(engine)),
            ("selected", "") => out.push_str(&expand(engine, SELECTED, "")),
            ("kind", table) => out.push_str(&kind(table)),
            ("for_update", "") if engine == Engine::Postgres => out.push_str("FOR NO KEY UPDATE"),
            ("skip_locked", "") if engine == Engine::Postgres => out.push_str("FOR UPDATE SKIP LOCKED"),
            ("for_update" | "skip_locked", "") => {}
            _ => out.extend(["{", word, "}"]),
        }
        rest = after;
    }
    out + rest
}

/// 48 bits of time, the version, a counter of 12 bits that carries into the time, the variant, 62 random bits (RFC 9562 5.7
/// and 6.2). `$3 place` as an expression.
fn uuid_v7(engine: Engine, spec: &str) -> String {
    let (moment, place) = spec.split_once(' ').unwrap_or((spec, "0"));
    match engine {
        Engine::Sqlite => format!(
            "unhex(printf('%012x7%03x', {moment} + {place} / 4096, {place} % 4096) || \
             substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(8)), 2))"
        ),
        // A random UUID has its variant and its random bits at the same places.
        Engine::Postgres => format!(
            "decode(lpad(to_hex(CAST({moment} AS bigint) + {place} / 4096), 12, '0') || '7' || \
             lpad(to_hex({place} % 4096), 3, '0'), 'hex') || substr(uuid_send(gen_random_uuid()), 9)"
        ),
    }
}

const fn now(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        // `now()` would be the beginning of the transaction.
        Engine::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
    }
}

fn kind(table: &str) -> String {
    format!("coalesce({table}.architecture, '') || ' ' || coalesce({table}.os_version, '')")
}

const SELECTED: &str = "(SELECT given.id FROM {rows $1 id blob} \
    UNION SELECT m.device_id FROM group_members m WHERE m.group_id IN (SELECT given.id FROM {rows $2 id blob}) \
    UNION SELECT u.id FROM devices u WHERE u.upn IN (SELECT given.upn FROM {rows $3 upn text})) AS selected";

fn qualified(columns: &str, table: &str) -> String {
    let names: Vec<_> = columns
        .split(',')
        .map(|name| format!("{table}.{}", name.trim()))
        .collect();
    names.join(", ")
}

/// `$3 id blob, at bigint` as a row source.
fn row_source(engine: Engine, spec: &str) -> String {
    let (placeholder, columns) = spec.split_once(' ').unwrap_or((spec, ""));
    let columns: Vec<(&str, &str)> = columns
        .split(',')
        .filter_map(|c| c.trim().split_once(' '))
        .collect();
    match engine {
        Engine::Sqlite => json_source(placeholder, &columns),
        Engine::Postgres => unnest_source(placeholder, &columns),
    }
}

fn json_source(placeholder: &str, columns: &[(&str, &str)]) -> String {
    let cell = |(index, (name, kind)): (usize, &(&str, &str))| {
        let value = if columns.len() == 1 {
            "value".to_owned()
        } else {
            format!("value ->> {index}")
        };
        let value = if *kind == "blob" {
            format!("unhex({value})")
        } else {
            value
        };
        format!("{value} AS {name}")
    };
    let cells: Vec<_> = columns.iter().enumerate().map(cell).collect();
    format!(
        "(SELECT {} FROM json_each({placeholder})) AS given",
        cells.join(", ")
    )
}

fn unnest_source(placeholder: &str, columns: &[(&str, &str)]) -> String {
    let first: usize = placeholder.trim_start_matches('$').parse().unwrap_or(0);
    let array = |(index, (_, kind)): (usize, &(&str, &str))| {
        let kind = if *kind == "blob" { "bytea" } else { kind };
        format!("CAST(${} AS {kind}[])", first + index)
    };
    let arrays: Vec<_> = columns.iter().enumerate().map(array).collect();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    format!("UNNEST({}) AS given({})", arrays.join(", "), names.join(", "))
}

/// The parameters as SQLite takes them.
pub(crate) fn sqlite_arguments(
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<SqliteArguments, DbError> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        let added = match param {
            Param::Blob(bytes) => arguments.add(&**bytes),
            Param::Bool(value) => arguments.add(*value),
            Param::Id(id) => arguments.add(id.as_bytes().as_slice()),
            Param::Int(number) => arguments.add(*number),
            Param::Null(_) => arguments.add(None::<i64>),
            Param::Rows(rows) => arguments.add(json(rows)?),
            Param::Text(text) => arguments.add(storable(text)?),
        };
        added.map_err(|source| encoding(statement, source))?;
    }
    Ok(arguments)
}

/// The parameters as PostgreSQL takes them.
pub(crate) fn postgres_arguments(
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<PgArguments, DbError> {
    let mut arguments = PgArguments::default();
    for param in params {
        let added = match param {
            Param::Blob(bytes) => arguments.add(&**bytes),
            Param::Bool(value) => arguments.add(*value),
            Param::Id(id) => arguments.add(id.as_bytes().as_slice()),
            Param::Int(number) => arguments.add(*number),
            Param::Null(Kind::Blob) => arguments.add(None::<&[u8]>),
            Param::Null(Kind::Bool) => arguments.add(None::<bool>),
            Param::Null(Kind::Int) => arguments.add(None::<i64>),
            Param::Null(Kind::Text) => arguments.add(None::<&str>),
            Param::Rows(rows) => {
                add_arrays(statement, &mut arguments, rows)?;
                continue;
            }
            Param::Text(text) => arguments.add(storable(text)?),
        };
        added.map_err(|source| encoding(statement, source))?;
    }
    Ok(arguments)
}

/// One array for each column.
fn add_arrays(statement: &'static str, arguments: &mut PgArguments, rows: &Rows<'_>) -> Result<(), DbError> {
    for (index, kind) in rows.kinds.iter().enumerate() {
        let cells = rows.cells.iter().skip(index).step_by(rows.kinds.len());
        let added = match kind {
            Kind::Blob => arguments.add(cells.map(blob).collect::<Vec<_>>()),
            Kind::Bool => arguments.add(cells.map(boolean).collect::<Vec<_>>()),
            Kind::Int => arguments.add(cells.map(integer).collect::<Vec<_>>()),
            Kind::Text => arguments.add(cells.map(text).collect::<Result<Vec<_>, _>>()?),
        };
        added.map_err(|source| encoding(statement, source))?;
    }
    Ok(())
}

fn blob<'p>(param: &'p Param<'_>) -> Option<&'p [u8]> {
    match param {
        Param::Blob(bytes) => Some(bytes),
        Param::Id(id) => Some(id.as_bytes()),
        _ => None,
    }
}
fn boolean(param: &Param<'_>) -> Option<bool> {
    if let Param::Bool(value) = param {
        Some(*value)
    } else {
        None
    }
}
fn integer(param: &Param<'_>) -> Option<i64> {
    if let Param::Int(number) = param {
        Some(*number)
    } else {
        None
    }
}
fn text<'p>(param: &'p Param<'_>) -> Result<Option<&'p str>, DbError> {
    if let Param::Text(text) = param {
        storable(text).map(Some)
    } else {
        Ok(None)
    }
}

/// Rows as JSON: an array of arrays, or a plain array where there is one column. Bytes are written in hexadecimal.
fn json(rows: &Rows<'_>) -> Result<String, DbError> {
    let width = rows.kinds.len();
    let mut out = String::with_capacity(16 + rows.cells.len() * 24);
    out.push('[');
    for (index, cell) in rows.cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if width > 1 && index % width == 0 {
            out.push('[');
        }
        push_json(&mut out, cell)?;
        if width > 1 && index % width == width - 1 {
            out.push(']');
        }
    }
    out.push(']');
    Ok(out)
}

fn push_json(out: &mut String, cell: &Param<'_>) -> Result<(), DbError> {
    match cell {
        Param::Blob(bytes) => push_hex(out, bytes),
        Param::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Param::Id(id) => push_hex(out, id.as_bytes()),
        Param::Int(number) => write!(out, "{number}").expect("writing to a string succeeds"),
        Param::Null(_) | Param::Rows(_) => out.push_str("null"),
        Param::Text(text) => {
            out.push_str(&serde_json::Value::from(storable(text)?).to_string());
        }
    }
    Ok(())
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('"');
}

/// Both engines refuse what one of them cannot store.
fn storable(text: &str) -> Result<&str, DbError> {
    if text.contains('\0') {
        Err(DbError::NulInText)
    } else {
        Ok(text)
    }
}

fn encoding(statement: &'static str, source: sqlx::error::BoxDynError) -> DbError {
    DbError::Query {
        statement,
        source: sqlx::Error::Encode(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{param::params, sql::Sql, test_support};
    use qm_core::{TargetId, Timestamp};

    #[test]
    fn expands_columns_rows_and_locks_for_each_engine() {
        let text = "SELECT {columns d} FROM d JOIN {rows $2 id blob, at bigint} ON TRUE {skip_locked}";
        assert_eq!(
            expand(Engine::Sqlite, text, "id, name"),
            "SELECT d.id, d.name FROM d JOIN (SELECT unhex(value ->> 0) AS id, value ->> 1 AS at FROM json_each($2)) \
             AS given ON TRUE "
        );
        assert_eq!(
            expand(Engine::Postgres, text, "id, name"),
            "SELECT d.id, d.name FROM d JOIN UNNEST(CAST($2 AS bytea[]), CAST($3 AS bigint[])) AS given(id, at) \
             ON TRUE FOR UPDATE SKIP LOCKED"
        );
    }

    #[test]
    fn writes_rows_as_json_with_escapes_nulls_and_hexadecimal_bytes() {
        let rows = Rows::of([(&[0xab_u8, 1][..], Some("a\"\n"), true), (&[][..], None, false)]);
        assert_eq!(json(&rows).unwrap(), r#"[["ab01","a\"\n",true],["",null,false]]"#);
        assert_eq!(json(&Rows::of([(7_i64,), (-1,)])).unwrap(), "[7,-1]");
        assert_eq!(json(&Rows::of(Vec::<(i64, i64)>::new())).unwrap(), "[]");
    }

    static IDS: Sql = Sql::new(
        "ids",
        "",
        "SELECT {uuid_v7 $1 given.place} AS id FROM {rows $2 place bigint} ORDER BY given.place",
    );

    #[tokio::test]
    async fn ids_made_by_a_database_are_in_the_order_of_the_rows() {
        for (engine, db) in test_support::test_databases().await {
            let moment = Timestamp::from_millis(1_770_000_000_000);
            let places = [1_i64, 2, 4095, 4096, 8191, 100_000];
            let rows = Rows::of(places.iter().map(|place| (*place,)));
            let mut conn = db.read().await.unwrap();
            let ids: Vec<TargetId> = conn
                .all(&IDS, params![moment, rows], |row| row.get("id"))
                .await
                .unwrap();
            assert!(ids.is_sorted(), "{engine}: {ids:?}");
            for (id, place) in ids.iter().zip(places) {
                let time_and_counter = id.0.as_u128() >> 64;
                let (time, counter) = (time_and_counter >> 16, time_and_counter & 0xfff);
                let made = i64::try_from(time).unwrap() - moment.as_millis();
                assert_eq!(
                    (made, counter),
                    (place / 4096, u128::try_from(place % 4096).unwrap()),
                    "{engine}"
                );
                assert_eq!(id.0.get_version_num(), 7, "{engine}");
                assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122, "{engine}");
            }
        }
    }

    #[test]
    fn refuses_text_that_one_engine_cannot_store() {
        let params = [Param::Text("a\0b".into())];
        assert!(matches!(sqlite_arguments("t", &params), Err(DbError::NulInText)));
        assert!(matches!(
            postgres_arguments("t", &params),
            Err(DbError::NulInText)
        ));
    }
}
