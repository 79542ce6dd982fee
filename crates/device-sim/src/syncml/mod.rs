//! SyncML documents as a device writes and reads them. XML is handled here, once more and by other means than the
//! server's codec, so that the raw order of elements can be judged; WBXML is left to `qm-syncml`.

mod model;
mod read;
mod write;

pub(crate) use write::Style;

use crate::{Rule, violation::Watch, xml::Element};
use qm_syncml::{Encoding, Limits, Message};

/// Reads a server's message; what is wrong with its form is noted. `None`: it cannot be read at all.
pub(crate) fn decode(encoding: Encoding, bytes: &[u8], watch: &mut Watch) -> Option<Message> {
    match encoding {
        Encoding::Xml => match Element::parse(bytes) {
            Ok(root) => {
                watch.check(!bytes.starts_with(b"\xef\xbb\xbf"), Rule::Structure, || {
                    "a byte order mark".to_owned()
                });
                model::check(&root, watch);
                read::message(&root, watch)
            }
            Err(error) => {
                watch.note(Rule::Unreadable, error.0);
                None
            }
        },
        Encoding::Wbxml => qm_syncml::decode(encoding, bytes, &Limits::default())
            .inspect_err(|error| watch.note(Rule::Unreadable, error.to_string()))
            .ok(),
    }
}

/// Writes a device's message.
pub(crate) fn encode(encoding: Encoding, message: &Message, style: Style) -> Vec<u8> {
    match encoding {
        Encoding::Xml => write::message(message, style).into_bytes(),
        Encoding::Wbxml => qm_syncml::encode(encoding, message),
    }
}

pub(crate) const SYNCML: &str = "SYNCML:SYNCML1.2";
pub(crate) const METINF: &str = "syncml:metinf";
pub(crate) const MSFT: &str = "http://schemas.microsoft.com/MobileDevice/MDM";
