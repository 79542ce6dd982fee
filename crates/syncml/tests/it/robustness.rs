//! Nothing from outside makes a decoder panic, and what it accepts can be written and read again.

use crate::arbitrary;
use proptest::{collection::vec, prelude::*, sample::Index};
use qm_syncml::{Encoding, Limits, decode, encode};

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// Reads; if that succeeds, what was read survives being written and read in the same encoding.
fn probe(encoding: Encoding, bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(message) = decode(encoding, bytes, &limits) else {
        return;
    };
    let written = encode(encoding, &message);
    let again = decode(encoding, &written, &limits).expect("what was written can be read");
    let stable = encode(encoding, &again);
    assert_eq!(
        encode(encoding, &decode(encoding, &stable, &limits).unwrap()),
        stable,
        "{stable:02x?}"
    );
}

/// Overwrites, removes and inserts bytes.
fn mutate(mut bytes: Vec<u8>, edits: &[(Index, u8, u8)]) -> Vec<u8> {
    for (place, kind, value) in edits {
        let at = place.index(bytes.len().max(1));
        match kind {
            0 if at < bytes.len() => bytes[at] = *value,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, *value),
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec((any::<Index>(), 0..3u8, any::<u8>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        for encoding in BOTH {
            probe(encoding, &bytes);
        }
    }

    #[test]
    fn arbitrary_wbxml_bodies_are_read_or_refused(body in vec(any::<u8>(), 0..120)) {
        probe(Encoding::Wbxml, &[&[0x02, 0xA4, 0x01, 0x6A, 0x03, b'a', 0, b'b', 0x6D][..], &body].concat());
    }

    #[test]
    fn damaged_messages_are_read_or_refused(message in arbitrary::message(), edits in edits()) {
        for encoding in BOTH {
            probe(encoding, &mutate(encode(encoding, &message), &edits));
        }
    }

    #[test]
    fn cut_off_messages_are_refused(message in arbitrary::message(), place in any::<Index>()) {
        for encoding in BOTH {
            let bytes = encode(encoding, &message);
            let cut = &bytes[..place.index(bytes.len())];
            prop_assert!(decode(encoding, cut, &Limits::default()).is_err());
        }
    }
}
