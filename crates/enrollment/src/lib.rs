//! The messages by which a Windows device enrolls: MS-MDE2 discovery, MS-XCEP policy, MS-WSTEP
//! enrollment, and the provisioning document that the last one delivers. Bytes in, bytes out.
//!
//! What it is not: it checks no password, reads no certificate request and keeps nothing. It does no
//! I/O and knows no web framework; the listener passes the body in and sends an [`Answer`] out.
//!
//! An endpoint's work is always the same three steps: decode, use case, encode.
//!
//! ```
//! use qm_enrollment::{Answer, DiscoverRequest, Operation, Services};
//!
//! fn discover(body: &[u8], services: &Services, activity_id: uuid::Uuid) -> Answer {
//!     let request = match DiscoverRequest::decode(body) {
//!         Ok(request) => request,
//!         Err(rejected) => return rejected.answer(activity_id),
//!     };
//!     let correlation = request.correlation(activity_id);
//!     match request.answer(services) {
//!         Ok(response) => response.encode(correlation),
//!         Err(fault) => fault.encode(Operation::Discover, correlation),
//!     }
//! }
//! ```
//!
//! Start with [`issue`]; [`provisioning`] is where a wrong letter fails a whole enrollment.

pub mod answer;
pub mod context;
pub mod credential;
pub mod discovery;
pub mod error;
pub mod fault;
pub mod issue;
pub mod policy;
pub mod provisioning;

mod names;
mod soap;
mod xml;

#[cfg(test)]
mod testing;

pub use answer::{Answer, CONTENT_TYPE, Correlation, Operation, is_soap};
pub use context::ContextItems;
pub use credential::Credential;
pub use discovery::{AuthPolicy, DiscoverRequest, DiscoverResponse, RequestVersion, Services};
pub use error::{DecodeError, Rejected, SecurityError, XmlError};
pub use fault::{Fault, FaultKind};
pub use issue::{RequestSecurityToken, RequestSecurityTokenResponseCollection, TokenRequest};
pub use policy::{GetPolicies, GetPoliciesResponse};
pub use provisioning::{PROVIDER_ID, ProvisioningDocument};
