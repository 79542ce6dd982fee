//! Devices: one record for each enrollment, and the certificates that prove it.

use crate::{Architecture, DeviceId, Sha256, Timestamp, Version, text_enum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

text_enum! {
    /// Where an enrollment stands.
    pub enum DeviceState {
        /// Certificate issued, first management session not seen yet.
        Provisional = "provisional",
        /// Has completed a management session.
        Active = "active",
        /// Asked to leave, by us or by its user; the last messages still come in.
        Leaving = "leaving",
        /// Over. Its certificate opens nothing any more.
        Ended = "ended",
    }
}

impl DeviceState {
    /// Whether the outside sees it as `enrolled`.
    pub const fn is_enrolled(self) -> bool {
        !matches!(self, Self::Ended)
    }
}

text_enum! {
    /// How Windows enrolled (MS-MDE2 context item `EnrollmentType`).
    pub enum EnrollmentKind {
        /// For the user: certificate in the user's store.
        Full = "full",
        /// For the device: certificate in the machine's store.
        Device = "device",
    }
}

text_enum! {
    /// Why an enrollment ended.
    pub enum EndReason {
        /// The user disconnected the account.
        User = "user",
        /// An administrator unenrolled the device and it obeyed.
        Server = "server",
        /// The same hardware and user enrolled again and the new enrollment works.
        Superseded = "superseded",
        /// No management session followed the enrollment.
        Expired = "expired",
        /// An administrator revoked it at once.
        Revoked = "revoked",
    }
}

/// One enrollment of one Windows device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Primary key; also the certificate's subject CN and `EntDMID`.
    pub id: DeviceId,
    /// Where the enrollment stands.
    pub state: DeviceState,
    /// Why it ended, once it has.
    pub end_reason: Option<EndReason>,
    /// The `DeviceID` the client claims: its SyncML `Source/LocURI`. Not unique, never an identity.
    pub dm_id: String,
    /// The `HWDevID` the client claims. Clones share it.
    pub hardware_id: String,
    /// Computer name.
    pub name: String,
    /// The enrolled user, in lower case.
    pub upn: String,
    /// For the user or for the device.
    pub kind: EnrollmentKind,
    /// When the certificate was issued.
    pub enrolled_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Windows version, four parts.
    pub os_version: Option<Version>,
    /// From `./DevInfo/Man`.
    pub manufacturer: Option<String>,
    /// From `./DevInfo/Mod`.
    pub model: Option<String>,
    /// From inventory; unknown until the first session has read it.
    pub architecture: Option<Architecture>,
    /// Last authenticated message; at most one second behind.
    pub last_seen_at: Option<Timestamp>,
    /// When the device inventory was last read.
    pub inventory_at: Option<Timestamp>,
    /// When the DMClient settings were last applied.
    pub settings_at: Option<Timestamp>,
    /// When the app inventory of the device was last read.
    pub apps_read_at: Option<Timestamp>,
    /// When the app inventory of its user was last read; nothing where it is wanted whatever its age.
    pub user_apps_read_at: Option<Timestamp>,
    /// The app inventory of the device is wanted in the next session, whatever its age.
    pub apps_due: bool,
    /// Other inventory values by LocURI.
    pub details: BTreeMap<String, String>,
}

text_enum! {
    /// What a device certificate is good for.
    pub enum CertificateState {
        /// Opens management sessions.
        Active = "active",
        /// Replaced by a newer one that has been seen at work.
        Superseded = "superseded",
        /// Taken back.
        Revoked = "revoked",
    }
}

/// A certificate issued to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCertificate {
    /// SHA-256 of the DER: how a connection finds its device.
    pub fingerprint: Sha256,
    /// Whose it is.
    pub device_id: DeviceId,
    /// SHA-1 of the DER, 40 upper-case hexadecimal digits, as Windows shows it.
    pub thumbprint: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: Sha256,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// What it is good for.
    pub state: CertificateState,
}

/// An app as a device reports it in its inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledApp {
    /// `Name_PublisherId`.
    pub package_family_name: String,
    /// `Name_Version_Arch_ResourceId_PublisherId`.
    pub package_full_name: String,
    /// Four-part version as text.
    pub version: String,
    /// Folder on the device.
    pub install_location: Option<String>,
    /// `AppStore`, `nonStore` or `System`.
    pub source: Option<String>,
    /// Users it is registered for, as the device words it.
    pub users: Option<String>,
    /// In which context it was seen.
    pub context: crate::deployment::Context,
    /// Provisioned for all users; `None` where the device does not say.
    pub provisioned: Option<bool>,
}
