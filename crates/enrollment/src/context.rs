//! `ac:AdditionalContext`: what the device tells about itself while it enrolls (MS-MDE2 3.4).
//!
//! All of it is a claim of the client: good for display and for guesses, never an identity.

use crate::{DecodeError, RequestVersion, names::AUTHORIZATION, xml::Element};
use qm_core::{Version, device::EnrollmentKind};

/// The context items in the order of the request; names may repeat, unknown ones are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextItems(Vec<(String, String)>);

impl ContextItems {
    /// Every item.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of that name (in any case) that is not empty, whole.
    pub fn first(&self, name: &str) -> Option<&str> {
        let mut named = self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.find_map(|(_, value)| Some(value).filter(|value| !value.is_empty()))
    }

    /// All values of that name, for `MAC` and `IMEI`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The first value of that name fit for display: no control characters, at most 256 characters.
    pub fn display(&self, name: &str) -> Option<String> {
        let value = self.first(name)?;
        let plain = value.chars().filter(|character| !character.is_control());
        Some(plain.take(MAX_DISPLAY).collect())
    }

    /// `DeviceID`: the client's id for this enrollment, later its SyncML `Source/LocURI`.
    pub fn device_id(&self) -> Option<&str> {
        self.first("DeviceID")
    }

    /// `HWDevID`: a hash of the hardware; clones share it.
    pub fn hardware_id(&self) -> Option<String> {
        self.display("HWDevID")
    }

    /// `DeviceName`: the computer name.
    pub fn device_name(&self) -> Option<String> {
        self.display("DeviceName")
    }

    /// `EnrollmentType`: `Device` is for the device; everything else, also nothing, for the user.
    pub fn enrollment_kind(&self) -> EnrollmentKind {
        match self.first("EnrollmentType") {
            Some(kind) if kind.eq_ignore_ascii_case("Device") => EnrollmentKind::Device,
            _ => EnrollmentKind::Full,
        }
    }

    /// `DeviceType`: `CIMClient_Windows` on every PC.
    pub fn device_type(&self) -> Option<String> {
        self.display("DeviceType")
    }

    /// `OSEdition`: the value of GetProductInfo.
    pub fn os_edition(&self) -> Option<u32> {
        self.first("OSEdition")?.parse().ok()
    }

    /// Windows version: `OSVersion`, or `ApplicationVersion` where that is missing.
    pub fn os_version(&self) -> Option<Version> {
        let parse = |name| self.first(name).and_then(|text| text.parse().ok());
        parse("OSVersion").or_else(|| parse("ApplicationVersion"))
    }

    /// `RequestVersion`.
    pub fn request_version(&self) -> Option<RequestVersion> {
        self.first("RequestVersion")?.parse().ok()
    }

    /// `Locale`: `de-DE`.
    pub fn locale(&self) -> Option<String> {
        self.display("Locale")
    }

    /// `NotInOobe`: false while the device is being set up.
    pub fn not_in_oobe(&self) -> Option<bool> {
        self.boolean("NotInOobe")
    }

    /// `TargetedUserLoggedIn`: the enrolling user is signed in.
    pub fn user_logged_in(&self) -> Option<bool> {
        self.boolean("TargetedUserLoggedIn")
    }

    /// `UXInitiated`: started from the user interface.
    pub fn started_by_user(&self) -> Option<bool> {
        self.boolean("UXInitiated")
    }

    pub(crate) fn read(context: &Element) -> Result<Self, DecodeError> {
        let items = context.children(AUTHORIZATION, "ContextItem");
        items.map(read_item).collect::<Result<_, _>>().map(Self)
    }

    fn boolean(&self, name: &str) -> Option<bool> {
        match self.first(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

fn read_item(item: &Element) -> Result<(String, String), DecodeError> {
    let name = item
        .attribute("Name")
        .ok_or(DecodeError::Missing("ContextItem/Name"))?;
    let value = item.optional_text(AUTHORIZATION, "Value")?;
    Ok((name.to_owned(), value.unwrap_or_default().to_owned()))
}

const MAX_DISPLAY: usize = 256;
