//! The only place that prints: data to stdout, everything else to stderr. A reader that has gone away is no error.

use std::io::{self, Write as _};

/// Data, for people or scripts.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Data that ends its own lines.
pub fn text(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}

/// Everything that is not data.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
