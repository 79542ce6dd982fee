//! The certificates issued to devices.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{
    DeviceId, Sha256,
    device::{CertificateState, DeviceCertificate},
};

/// Stores a new certificate.
pub async fn insert(tx: &mut Tx, certificate: &DeviceCertificate) -> Result<(), DbError> {
    let c = certificate;
    let params = params![
        &c.fingerprint,
        c.device_id,
        &c.thumbprint,
        &c.public_key,
        c.not_before,
        c.not_after,
        c.state,
    ];
    tx.execute(&INSERT, params).await.map(|_| ())
}

/// One certificate.
pub async fn find(conn: &mut Conn, fingerprint: &Sha256) -> Result<Option<DeviceCertificate>, DbError> {
    conn.optional(&FIND, params![fingerprint], read).await
}

/// Whether a key is certified for an enrolled device that goes by another name than `dm_id`.
pub async fn is_key_of_another(conn: &mut Conn, public_key: &Sha256, dm_id: &str) -> Result<bool, DbError> {
    let found = conn
        .optional(&KEY_OF_ANOTHER, params![public_key, dm_id], |row| {
            row.get::<Sha256>("fingerprint")
        })
        .await?;
    Ok(found.is_some())
}

/// The active certificate of a device that lasts longest.
pub async fn newest_active(conn: &mut Conn, device: DeviceId) -> Result<Option<DeviceCertificate>, DbError> {
    conn.optional(&NEWEST_ACTIVE, params![device], read).await
}

/// For each of the given devices the certificate that lasts longest, whatever its state: for lists.
pub async fn newest_of(conn: &mut Conn, devices: &[DeviceId]) -> Result<Vec<DeviceCertificate>, DbError> {
    conn.all(
        &NEWEST_OF,
        params![Rows::of(devices.iter().map(|id| (*id,)))],
        read,
    )
    .await
}

/// Every certificate of a device, the one that lasts longest first.
pub async fn for_device(conn: &mut Conn, device: DeviceId) -> Result<Vec<DeviceCertificate>, DbError> {
    conn.all(&FOR_DEVICE, params![device], read).await
}

/// Moves one certificate; whether it exists.
pub async fn set_state(tx: &mut Tx, fingerprint: &Sha256, state: CertificateState) -> Result<bool, DbError> {
    Ok(tx.execute(&SET_STATE, params![fingerprint, state]).await? > 0)
}

/// Makes `used` the device's only active certificate; how many others that superseded.
pub async fn supersede_others(tx: &mut Tx, device: DeviceId, used: &Sha256) -> Result<u64, DbError> {
    tx.execute(&SUPERSEDE_OTHERS, params![device, used]).await
}

/// Revokes every certificate of a device.
pub async fn revoke_for_device(tx: &mut Tx, device: DeviceId) -> Result<(), DbError> {
    tx.execute(&REVOKE_FOR_DEVICE, params![device]).await.map(|_| ())
}

fn read(row: Row<'_>) -> Result<DeviceCertificate, DbError> {
    Ok(DeviceCertificate {
        fingerprint: row.get("fingerprint")?,
        device_id: row.get("device_id")?,
        thumbprint: row.get("thumbprint")?,
        public_key: row.get("public_key")?,
        not_before: row.get("not_before")?,
        not_after: row.get("not_after")?,
        state: row.get("state")?,
    })
}

sql! {
    columns "fingerprint, device_id, thumbprint, public_key, not_before, not_after, state";
    INSERT = "INSERT INTO certificates ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND = "SELECT {columns} FROM certificates WHERE fingerprint = $1";
    KEY_OF_ANOTHER = "SELECT c.fingerprint FROM certificates c JOIN devices d ON d.id = c.device_id \
        WHERE c.public_key = $1 AND d.dm_id <> $2 AND d.state <> 'ended' LIMIT 1";
    NEWEST_ACTIVE = "SELECT {columns} FROM certificates WHERE device_id = $1 AND state = 'active' \
        ORDER BY not_after DESC, fingerprint LIMIT 1";
    NEWEST_OF = "SELECT {columns c} FROM {rows $1 id blob} JOIN certificates c ON c.fingerprint = \
        (SELECT n.fingerprint FROM certificates n WHERE n.device_id = given.id \
          ORDER BY n.not_after DESC, n.fingerprint LIMIT 1)";
    FOR_DEVICE = "SELECT {columns} FROM certificates WHERE device_id = $1 ORDER BY not_after DESC, fingerprint";
    SET_STATE = "UPDATE certificates SET state = $2 WHERE fingerprint = $1";
    SUPERSEDE_OTHERS = "UPDATE certificates SET state = 'superseded' \
        WHERE device_id = $1 AND fingerprint <> $2 AND state = 'active'";
    REVOKE_FOR_DEVICE = "UPDATE certificates SET state = 'revoked' WHERE device_id = $1";
}
