//! Typed ids: UUIDv7 made from the clock and the random source, so that they sort by creation time.

use crate::{Rng, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id for something that comes into being at `now`.
            pub fn new(now: Timestamp, rng: &Rng) -> Self { Self(uuid_v7(now, rng)) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> { Uuid::parse_str(s).map(Self) }
        }
        impl From<Uuid> for $name { fn from(id: Uuid) -> Self { Self(id) } }
        impl From<$name> for Uuid { fn from(id: $name) -> Self { id.0 } }
    )+};
}

ids!(
    /// An administrator's API token.
    ApiTokenId,
    /// An app of the catalogue.
    AppId,
    /// A row of the audit trail.
    AuditId,
    /// A custom command queued for a device.
    CommandId,
    /// A deployment of one app to a set of targets.
    DeploymentId,
    /// One enrollment of one Windows device: certificate subject, `EntDMID` and primary key.
    DeviceId,
    /// An enrollment token.
    EnrollmentTokenId,
    /// A recorded management exchange.
    ExchangeId,
    /// A group of devices.
    GroupId,
    /// A unit of background work.
    JobId,
    /// A package of an app, as listed by the Store or uploaded.
    PackageId,
    /// A seat of an online-licensed app.
    SeatId,
    /// A management session row.
    SessionRowId,
    /// One (deployment, device) pair.
    TargetId,
);

/// A UUIDv7 (RFC 9562): 48 bits of unix milliseconds, the rest random.
pub fn uuid_v7(now: Timestamp, rng: &Rng) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &rng.bytes::<10>()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_creation_time_and_carry_version_7() {
        let rng = Rng::seeded(1);
        let early = DeviceId::new(Timestamp::from_millis(1_000), &rng);
        let late = DeviceId::new(Timestamp::from_millis(2_000), &rng);
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 7);
        assert_eq!(early.to_string().parse::<DeviceId>(), Ok(early));
    }
}
