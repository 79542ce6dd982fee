//! Simulated Windows devices, well and badly behaved: what the server is tested, shown and measured with.
//!
//! A [`Device`] enrolls as Windows does (discovery, policy, certificate, provisioning document), then calls in over
//! mutual TLS and carries out what the server sends against a simulated management tree: settings, inventory,
//! app installations with real downloads of real packages. It is *strict*: whatever a server does that Windows does
//! not promise to tolerate is kept as a [`Violation`]; it never panics about it. [`Quirk`]s make a device misbehave
//! in the ways seen in the field. A [`Fleet`] runs many devices at once.
//!
//! What it is not: it shares no code with the server but the vocabulary of `qm-core` and the message tree of
//! `qm-syncml` (with its WBXML codec). SOAP, XML, certificates requests, packages: all written here once more, so that
//! a mistake on the server's side is not repeated and thereby hidden.
//!
//! Start with [`Device`], then [`DeviceOptions`]. What a command does is in `tree`, what a message must look
//! like in `session` and `syncml`.

mod account;
mod appx;
mod device;
mod download;
mod enroll;
mod error;
mod fleet;
mod http;
pub mod load;
mod options;
mod quirk;
mod report;
mod session;
mod syncml;
#[cfg(test)]
mod testing;
mod tree;
mod violation;
mod xml;

pub use appx::{Manifest, PackageDependency, PackageFile, family_name, publisher_id};
pub use device::Device;
pub use error::{EnrollmentFault, SimError};
pub use fleet::Fleet;
pub use options::{CsrStyle, DeviceOptions, LicensePolicy, Seat, SeatOracle, StorePackage};
pub use qm_core::device::EnrollmentKind;
pub use quirk::{Quirk, Quirks};
pub use report::{Ended, Executed, SessionReport, Trigger};
pub use tree::apps::{Download, InstalledPackage};
pub use tree::{Login, Scope};
pub use violation::{Rule, Violation};
