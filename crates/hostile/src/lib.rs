//! What must hold for every reader of bytes from outside: one check for each reader.
//!
//! A check takes any bytes at all. It panics where a promise is broken: a reader that panics itself, an accepted value
//! that does not survive being written and read again, a limit that does not hold. Whatever is refused is fine.
//!
//! What it is not: it reads no files and knows no fuzzer. The targets in `fuzz/` call one check each; the tests of
//! this crate run every check over the committed seeds and over documents as large as the limits allow, so that a
//! finding stays found on machines without a fuzzer.
//!
//! Start with [`CHECKS`]. To add a reader, see CONTRIBUTING.md.

mod archive;
mod content;
mod csp;
mod enrollment;
mod names;
mod package;
mod seal;
mod session;
mod store;
mod syncml;

pub use content::{content_headers, content_link};
pub use csp::{app_inventory, ddf, device_values, locuri};
pub use enrollment::{csr, soap};
pub use names::names;
pub use package::{license, package, package_parts, package_sealed, package_signature};
pub use session::session;
pub use store::{store_answer, store_dates, store_token};
pub use syncml::{syncml_wbxml, syncml_xml};

/// Breaks a promise by panicking, or returns.
pub type Check = fn(&[u8]);

/// Every check by the name of its fuzz target and of its folder of seeds.
pub const CHECKS: &[(&str, Check)] = &[
    ("app_inventory", app_inventory),
    ("content_headers", content_headers),
    ("content_link", content_link),
    ("csr", csr),
    ("ddf", ddf),
    ("device_values", device_values),
    ("license", license),
    ("locuri", locuri),
    ("names", names),
    ("package", package),
    ("package_parts", package_parts),
    ("package_sealed", package_sealed),
    ("package_signature", package_signature),
    ("session", session),
    ("soap", soap),
    ("store_answer", store_answer),
    ("store_dates", store_dates),
    ("store_token", store_token),
    ("syncml_wbxml", syncml_wbxml),
    ("syncml_xml", syncml_xml),
];
