//! SyncML messages in both notations.

use qm_syncml::{Encoding, Limits, Message, decode, encode};

/// A message in XML.
pub fn syncml_xml(input: &[u8]) {
    message(Encoding::Xml, input);
}

/// A message in WBXML.
pub fn syncml_wbxml(input: &[u8]) {
    message(Encoding::Wbxml, input);
}

fn message(encoding: Encoding, input: &[u8]) {
    let Ok(message) = decode(encoding, input, &Limits::default()) else {
        return;
    };
    let settled = written_and_read(encoding, &message);
    assert_eq!(
        written_and_read(encoding, &settled),
        settled,
        "a message that was written and read once stays as it is"
    );
    let in_xml = written_and_read(Encoding::Xml, &settled);
    let in_wbxml = written_and_read(Encoding::Wbxml, &settled);
    assert_eq!(in_xml, in_wbxml, "both notations say the same");
}

/// The message as the other side reads it.
pub(crate) fn written_and_read(encoding: Encoding, message: &Message) -> Message {
    let bytes = encode(encoding, message);
    let limits = Limits {
        // Escaping may make a message longer than the one that was accepted; a reply may owe more statuses than that.
        bytes: usize::MAX,
        commands: usize::MAX,
        ..Limits::default()
    };
    decode(encoding, &bytes, &limits).expect("what was written can be read")
}
