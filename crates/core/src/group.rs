//! Groups of devices.

use crate::{DeviceId, GroupId};

/// A named set of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Primary key.
    pub id: GroupId,
    /// Unique name.
    pub name: String,
    /// Its devices.
    pub members: Vec<DeviceId>,
}
