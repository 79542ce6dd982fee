//! Both codecs from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod arbitrary;
mod golden_wbxml;
mod libwbxml;
mod limits;
mod reading_wbxml;
mod reading_xml;
mod robustness;
mod round_trip;
mod writing_xml;

use qm_syncml::{Command, DecodeError, Encoding, Limits, Message, decode, encode};

fn read_xml(xml: &str) -> Result<Message, DecodeError> {
    decode(Encoding::Xml, xml.as_bytes(), &Limits::default())
}

fn read_wbxml(bytes: &[u8]) -> Result<Message, DecodeError> {
    decode(Encoding::Wbxml, bytes, &Limits::default())
}

fn write_xml(message: &Message) -> String {
    String::from_utf8(encode(Encoding::Xml, message)).unwrap()
}

/// A document whose `SyncBody` holds this.
fn around(body: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>3C</SessionID><MsgID>1</MsgID><Target><LocURI>https://mdm.test/dm</LocURI></Target>\
         <Source><LocURI>unit-1</LocURI></Source></SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>"
    )
}

/// The commands of a document whose `SyncBody` holds this.
fn body(inner: &str) -> Vec<Command> {
    read_xml(&around(inner)).unwrap().body
}
