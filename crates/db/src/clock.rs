//! What time it is for the database: all servers of one database can go by that.

use crate::{conn::Conn, error::DbError, param::params, sql::sql};
use qm_core::Timestamp;

/// The moment by the clock of the database's machine.
pub async fn now(conn: &mut Conn) -> Result<Timestamp, DbError> {
    let moment = conn.optional(&NOW, params![], |row| row.get("moment")).await?;
    Ok(moment.unwrap_or_default())
}

sql! {
    NOW = "SELECT {now} AS moment";
}
