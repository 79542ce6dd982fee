//! `Debug` without what must not reach a log: credentials, nonces and payloads show their length only.

use crate::{Cred, Item, Meta};
use std::fmt;

impl fmt::Debug for Cred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cred")
            .field("meta", &self.meta)
            .field("data", &Hidden(&self.data))
            .finish()
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("target", &self.target)
            .field("source", &self.source)
            .field("meta", &self.meta)
            .field("data", &self.data.as_deref().map(Hidden))
            .field("more_data", &self.more_data)
            .finish()
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_struct("Meta");
        for (name, text) in [
            ("format", &self.format),
            ("media_type", &self.media_type),
            ("mark", &self.mark),
        ] {
            text.as_ref().map(|text| set.field(name, text));
        }
        let sizes = [
            ("size", self.size),
            ("max_msg_size", self.max_msg_size),
            ("max_obj_size", self.max_obj_size),
        ];
        for (name, size) in sizes {
            size.map(|size| set.field(name, &size));
        }
        self.next_nonce
            .as_deref()
            .map(|nonce| set.field("next_nonce", &Hidden(nonce)));
        set.finish()
    }
}

struct Hidden<'a>(&'a str);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cred, Header, Item, Meta};

    #[test]
    fn secrets_and_payloads_do_not_show() {
        let meta = Meta {
            next_nonce: Some("bm9uY2U=".to_owned()),
            size: Some(7),
            ..Meta::format("chr")
        };
        let cred = Cred {
            data: "cGFzc3dvcmQ=".to_owned(),
            meta,
        };
        let header = Header {
            cred: Some(cred),
            session_id: "3A".to_owned(),
            ..Header::default()
        };
        let item = Item {
            data: Some("token".to_owned()),
            ..Item::target("./x")
        };
        let shown = format!("{header:?} {item:?}");
        for secret in ["bm9uY2U=", "cGFzc3dvcmQ=", "token"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for visible in [
            "3A",
            "chr",
            "size: 7",
            "./x",
            "[12 bytes]",
            "[8 bytes]",
            "[5 bytes]",
        ] {
            assert!(shown.contains(visible), "{visible} in {shown}");
        }
    }
}
