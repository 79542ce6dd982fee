//! What is written is read again, in both encodings.

use crate::arbitrary;
use proptest::prelude::*;
use qm_syncml::{Encoding, Limits, decode, encode};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn xml_gives_back_the_message(message in arbitrary::message()) {
        let bytes = encode(Encoding::Xml, &message);
        let again = decode(Encoding::Xml, &bytes, &Limits::default());
        prop_assert!(again.is_ok_and(|again| again == message), "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn wbxml_gives_back_the_message(message in arbitrary::message()) {
        let bytes = encode(Encoding::Wbxml, &message);
        let again = decode(Encoding::Wbxml, &bytes, &Limits::default());
        prop_assert!(again.is_ok_and(|again| again == message), "{bytes:02x?}");
    }
}
