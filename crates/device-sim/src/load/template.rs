//! Messages of a kind: they differ in the `SessionID` alone.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Bytes with a hole for the session's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    bytes: Bytes,
    hole: Range<usize>,
}

/// A message and the id of its session.
pub(super) type Specimen<'a> = (&'a str, &'a [u8]);

impl Template {
    /// Learns from two specimens; `None` where they differ in more than one place, or not at all.
    pub(super) fn of((id, bytes): Specimen<'_>, (other_id, other): Specimen<'_>) -> Option<Self> {
        let (id, other_id) = (id.as_bytes(), other_id.as_bytes());
        if id.len() != other_id.len() || bytes.len() != other.len() {
            return None;
        }
        let first = bytes.iter().zip(other).position(|(one, other)| one != other)?;
        let same = id.iter().zip(other_id).take_while(|(one, other)| one == other);
        let start = first.checked_sub(same.count())?;
        let hole = start..start + id.len();
        let holds = bytes.get(hole.clone()) == Some(id) && other.get(hole.clone()) == Some(other_id);
        let rest = holds && bytes[hole.end..] == other[hole.end..];
        rest.then(|| Self {
            bytes: Bytes::copy_from_slice(bytes),
            hole,
        })
    }

    /// The message of a session; an id of another length gives a message that is broken.
    pub(super) fn fill(&self, id: &str) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.bytes.len());
        bytes.extend_from_slice(&self.bytes[..self.hole.start]);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&self.bytes[self.hole.end..]);
        bytes.freeze()
    }

    /// Whether these could be such a message by their number.
    pub(super) fn is_as_long_as(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.bytes.len()
    }

    /// Whether this is that message of that session.
    pub(super) fn is(&self, id: &str, bytes: &[u8]) -> bool {
        self.is_as_long_as(bytes)
            && bytes[self.hole.clone()] == *id.as_bytes()
            && bytes[..self.hole.start] == self.bytes[..self.hole.start]
            && bytes[self.hole.end..] == self.bytes[self.hole.end..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(id: &str) -> Vec<u8> {
        format!("<SessionID>{id}</SessionID><MsgID>1</MsgID>").into_bytes()
    }

    #[test]
    fn more_differences_than_the_id_make_no_template() {
        let (one, other) = (message("1000"), message("1001"));
        let template = |one: &[u8], other: &[u8]| Template::of(("1000", one), ("1001", other));
        assert!(template(&one, &other).is_some());
        assert_eq!(template(&one, &one), None);
        assert_eq!(template(&one, &message("1002")), None);
        assert_eq!(template(&one, &message("10010")), None);
        assert_eq!(template(b"1000 at 12:01", b"1001 at 12:02"), None);
        assert_eq!(template(b"0", b"1"), None);
    }

    #[test]
    fn a_message_that_differs_anywhere_is_another_one() {
        let template = Template::of(("1000", &message("1000")), ("1001", &message("1001"))).unwrap();
        let good = message("2222");
        assert!(template.is("2222", &good));
        assert!(!template.is("2223", &good));
        assert!(!template.is("2222", &good[1..]));
        for index in 0..good.len() {
            let mut wrong = good.clone();
            wrong[index] ^= 1;
            assert!(!template.is("2222", &wrong), "byte {index}");
        }
    }

    proptest! {
        #[test]
        fn two_sessions_teach_all_others(
            one in 0x1000_u16.., other in 0x1000_u16.., third in 0x1000_u16..,
            before in "[ -~]{0,20}", after in "[ -~]{0,20}"
        ) {
            prop_assume!(one != other);
            let message = |id: u16| format!("{before}{id:04X}{after}").into_bytes();
            let text = |id: u16| format!("{id:04X}");
            let template = Template::of((&text(one), &message(one)), (&text(other), &message(other))).unwrap();
            prop_assert_eq!(&template.fill(&text(third))[..], &message(third)[..]);
            prop_assert!(template.is(&text(third), &message(third)));
        }
    }
}
