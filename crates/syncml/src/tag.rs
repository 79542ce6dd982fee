//! The vocabulary: element names with their WBXML code pages (SyncML 1.2 and MetInf 1.2).

/// Declares [`Tag`] and the tables from (page, id) and from names.
macro_rules! tags {
    ($($name:ident = $page:literal $id:literal),* $(,)?) => {
        /// An element of SyncML or MetInf; the value is the page times 64 plus the WBXML tag id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(clippy::upper_case_acronyms, reason = "the variants are the element names, letter by letter")]
        pub(crate) enum Tag {
            /// Any other element.
            Other = 0,
            $($name = ($page << 6) | $id,)*
        }

        const BY_TOKEN: [Tag; 128] = {
            let mut tags = [Tag::Other; 128];
            $(tags[Tag::$name as usize] = Tag::$name;)*
            tags
        };

        const NAMES: [&str; 128] = {
            let mut names = [""; 128];
            $(names[Tag::$name as usize] = stringify!($name);)*
            names
        };
    };
}

tags! {
    Add = 0 0x05, Alert = 0 0x06, Archive = 0 0x07, Atomic = 0 0x08, Chal = 0 0x09, Cmd = 0 0x0A,
    CmdID = 0 0x0B, CmdRef = 0 0x0C, Copy = 0 0x0D, Cred = 0 0x0E, Data = 0 0x0F, Delete = 0 0x10,
    Exec = 0 0x11, Final = 0 0x12, Get = 0 0x13, Item = 0 0x14, Lang = 0 0x15, LocName = 0 0x16,
    LocURI = 0 0x17, Map = 0 0x18, MapItem = 0 0x19, Meta = 0 0x1A, MsgID = 0 0x1B, MsgRef = 0 0x1C,
    NoResp = 0 0x1D, NoResults = 0 0x1E, Put = 0 0x1F, Replace = 0 0x20, RespURI = 0 0x21, Results = 0 0x22,
    Search = 0 0x23, Sequence = 0 0x24, SessionID = 0 0x25, SftDel = 0 0x26, Source = 0 0x27,
    SourceRef = 0 0x28, Status = 0 0x29, Sync = 0 0x2A, SyncBody = 0 0x2B, SyncHdr = 0 0x2C, SyncML = 0 0x2D,
    Target = 0 0x2E, TargetRef = 0 0x2F, VerDTD = 0 0x31, VerProto = 0 0x32, NumberOfChanges = 0 0x33,
    MoreData = 0 0x34, Field = 0 0x35, Filter = 0 0x36, Record = 0 0x37, FilterType = 0 0x38,
    SourceParent = 0 0x39, TargetParent = 0 0x3A, Move = 0 0x3B, Correlator = 0 0x3C,

    Anchor = 1 0x05, EMI = 1 0x06, Format = 1 0x07, FreeID = 1 0x08, FreeMem = 1 0x09, Last = 1 0x0A,
    Mark = 1 0x0B, MaxMsgSize = 1 0x0C, Mem = 1 0x0D, MetInf = 1 0x0E, Next = 1 0x0F, NextNonce = 1 0x10,
    SharedMem = 1 0x11, Size = 1 0x12, Type = 1 0x13, Version = 1 0x14, MaxObjSize = 1 0x15,
    FieldLevel = 1 0x16,
}

/// The namespaces of the two code pages.
pub(crate) const NAMESPACES: [&str; 2] = ["SYNCML:SYNCML1.2", "syncml:metinf"];

impl Tag {
    /// The element with this local name.
    #[inline]
    pub(crate) fn from_name(name: &str) -> Self {
        let name = name.as_bytes();
        let mut slot = hash(name);
        loop {
            let tag = SLOTS[slot];
            if matches!(tag, Self::Other) || tag.name().as_bytes() == name {
                return tag;
            }
            slot = (slot + 1) % SLOTS.len();
        }
    }

    /// The element with this tag id on this code page.
    pub(crate) fn from_token(page: u8, id: u8) -> Option<Self> {
        let tag = BY_TOKEN[usize::from(((page & 1) << 6) | (id & 0x3F))];
        (tag != Self::Other).then_some(tag)
    }

    /// The local name; empty for [`Tag::Other`].
    #[inline]
    pub(crate) const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The code page: 0 SyncML, 1 MetInf.
    pub(crate) const fn page(self) -> u8 {
        (self as u8) >> 6
    }

    /// The tag id on its page.
    pub(crate) const fn id(self) -> u8 {
        (self as u8) & 0x3F
    }
}

/// A hash table over the names, filled by the compiler. Less than half full, so probing always ends.
const SLOTS: [Tag; 256] = {
    let mut slots = [Tag::Other; 256];
    let mut token = 0;
    while token < BY_TOKEN.len() {
        if !matches!(BY_TOKEN[token], Tag::Other) {
            let mut slot = hash(NAMES[token].as_bytes());
            while !matches!(slots[slot], Tag::Other) {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = BY_TOKEN[token];
        }
        token += 1;
    }
    slots
};

const fn hash(name: &[u8]) -> usize {
    let [first, .., last] = name else {
        return name.len();
    };
    let middle = name[name.len() / 2];
    (*first as usize * 7 + middle as usize * 31 + *last as usize * 3 + name.len() * 59) % 256
}

#[cfg(test)]
mod tests {
    use super::{BY_TOKEN, NAMES, Tag};

    #[test]
    fn every_tag_is_found_by_name_and_by_token() {
        let known: Vec<Tag> = BY_TOKEN.into_iter().filter(|tag| *tag != Tag::Other).collect();
        assert_eq!(known.len(), 55 + 18);
        for tag in known {
            assert_eq!(Tag::from_name(tag.name()), tag);
            assert_eq!(Tag::from_token(tag.page(), tag.id()), Some(tag));
        }
    }

    #[test]
    fn no_name_stands_for_two_tags() {
        let mut names: Vec<&str> = NAMES.into_iter().filter(|name| !name.is_empty()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn other_names_and_tokens_are_no_tags() {
        for name in ["", "A", "add", "Adds", "Statu", "LocURIs", "Ä"] {
            assert_eq!(Tag::from_name(name), Tag::Other, "{name}");
        }
        for (page, id) in [(0, 0x04), (0, 0x30), (0, 0x3D), (0, 0x3F), (1, 0x17), (1, 0x3F)] {
            assert_eq!(Tag::from_token(page, id), None, "{page} {id:#x}");
        }
    }
}
