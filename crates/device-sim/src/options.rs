//! What a simulated device is and what it is told about the world around it.

use crate::Quirks;
use qm_core::{Architecture, Clock, Rng, Secret, Version, device::EnrollmentKind};
use qm_syncml::Encoding;
use std::{fmt, net::SocketAddr, sync::Arc};

/// A device to be.
#[derive(Clone)]
pub struct DeviceOptions {
    /// Full discovery address, `https://…/EnrollmentServer/Discovery.svc`.
    pub discovery_url: String,
    /// Who enrolls.
    pub upn: String,
    /// The enrollment token: password of the `UsernameToken`, or `wresult` of the web sign-in.
    pub token: Secret<String>,
    /// For the user or for the device.
    pub kind: EnrollmentKind,
    /// Version of Windows.
    pub os_version: Version,
    /// The processor.
    pub architecture: Architecture,
    /// Computer name.
    pub name: String,
    /// `HWDevID`; made up where `None`. Cloned images share it.
    pub hardware_id: Option<String>,
    /// Manufacturer and model.
    pub make: (String, String),
    /// The only roots that this device trusts for TLS, PEM.
    pub roots: String,
    /// Host names and where they are; others are resolved as usual.
    pub resolve: Vec<(String, SocketAddr)>,
    /// How the certificate request breaks the rules.
    pub csr: CsrStyle,
    /// The encoding of management messages; `None` takes `DEFAULTENCODING` of the provisioning document.
    pub encoding: Option<Encoding>,
    /// How long an installation or removal takes, in ticks; a tick is what passes after each session.
    pub install_ticks: u32,
    /// Each message takes a connection of its own, so that a load balancer can send it to another server.
    pub fresh_connections: bool,
    /// How often a message or download is sent again where its connection fails.
    pub patience: u32,
    /// Ways to misbehave.
    pub quirks: Quirks,
    /// Who holds a seat at the Store; without it every user holds one.
    pub seats: Option<Arc<dyn SeatOracle>>,
    /// Which apps need a license; without it none does.
    pub licenses: Option<Arc<dyn LicensePolicy>>,
    /// The time.
    pub clock: Clock,
    /// Ids and choices; the same seed makes the same device. Keys are random in any case.
    pub rng: Rng,
}

/// How the subject of a certificate request is written. All forms occur; all break X.520 or RFC 5280.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CsrStyle {
    /// UTF8String with `!`.
    #[default]
    Utf8,
    /// PrintableString with `!`, which it does not allow.
    Printable,
    /// PrintableString with `!` and a NUL at the end.
    PrintableNul,
}

/// A product at the Store and a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat<'a> {
    /// The user signed in.
    pub upn: &'a str,
    /// `id` of the payload.
    pub product_id: &'a str,
    /// `skuid` of the payload.
    pub sku_id: &'a str,
}

/// What the Store's installation leaves on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePackage {
    /// Package version.
    pub version: Version,
    /// Publisher's distinguished name, where known.
    pub publisher: String,
    /// A bundle: two rows in the inventory.
    pub bundle: bool,
}

/// What the Store knows about seats at this very moment. Closures over [`Seat`] are oracles too.
pub trait SeatOracle: Send + Sync {
    /// Whether the user holds a seat now.
    fn holds_seat(&self, seat: Seat<'_>) -> bool;
    /// Takes a free seat for the user (`flags="1"`); tells whether there was one.
    fn claim_seat(&self, seat: Seat<'_>) -> bool {
        self.holds_seat(seat)
    }
    /// The package behind a product; `None` where the Store does not say.
    fn package(&self, _product_id: &str, _sku_id: &str) -> Option<StorePackage> {
        None
    }
}

impl<F: Fn(Seat<'_>) -> bool + Send + Sync> SeatOracle for F {
    fn holds_seat(&self, seat: Seat<'_>) -> bool {
        self(seat)
    }
}

/// Which apps are offline-licensed Store apps. Closures from a family name are policies too.
pub trait LicensePolicy: Send + Sync {
    /// Whether this package family starts only with a license.
    fn needs_license(&self, family_name: &str) -> bool;
}

impl<F: Fn(&str) -> bool + Send + Sync> LicensePolicy for F {
    fn needs_license(&self, family_name: &str) -> bool {
        self(family_name)
    }
}

impl DeviceOptions {
    /// A Windows 11 desktop (build 26100, x64), enrolled for its user.
    pub fn new(
        discovery_url: impl Into<String>,
        upn: impl Into<String>,
        token: impl Into<String>,
        roots: impl Into<String>,
        rng: Rng,
    ) -> Self {
        let number = rng.below(100_000);
        Self {
            discovery_url: discovery_url.into(),
            upn: upn.into(),
            token: Secret::new(token.into()),
            kind: EnrollmentKind::Full,
            os_version: Version([10, 0, 26100, 2314]),
            architecture: Architecture::X64,
            name: format!("PC-{number:05}"),
            hardware_id: None,
            make: ("Fabrikam".to_owned(), "Slate 14".to_owned()),
            roots: roots.into(),
            resolve: Vec::new(),
            csr: CsrStyle::default(),
            encoding: None,
            install_ticks: 1,
            fresh_connections: false,
            patience: 0,
            quirks: Quirks::default(),
            seats: None,
            licenses: None,
            clock: Clock::system(),
            rng,
        }
    }
}

impl fmt::Debug for DeviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceOptions")
            .field("name", &self.name)
            .field("upn", &self.upn)
            .field("kind", &self.kind)
            .field("os_version", &self.os_version)
            .field("architecture", &self.architecture)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}
