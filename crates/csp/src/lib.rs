//! Windows configuration service providers (CSPs): what to send to a node, and how to read what comes back.
//!
//! Builders return a [`CspCommand`]; the session gives it a `CmdID` and turns it into SyncML. Readers take the
//! items, alerts and documents of a device and give them meaning. Payload documents are written by an XML
//! writer with one level of escaping; the SyncML encoder adds the second.
//!
//! What it is not: it knows no session, no order of work and no state of a deployment, and does no I/O.
//! Nothing that a device sends makes a reader panic; what a reader does not understand is `None`.
//!
//! Start with [`app_management`] (packaged apps: slots, installs, licenses, inventory, alerts), then
//! [`device_management`] (inventory and settings of the device, session alerts). [`errors`] explains HRESULTs and
//! statuses to people. [`ddf`] reads device description files and checks a command against them;
//! [`locuri`] is the address of a node.

pub mod app_management;
pub mod command;
pub mod ddf;
pub mod device_management;
pub mod errors;
pub mod locuri;

mod payload;

pub use command::CspCommand;
pub use locuri::LocUri;
