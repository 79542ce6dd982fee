//! Requests for content: signed links and the headers that ask for parts.

use qm_content::{
    LinkError, LinkSigner,
    range::{self, Selection},
};
use qm_core::{Secret, Sha256, Timestamp};
use std::str;

/// The parts of a download address, one a line: digest, file name, query.
pub fn content_link(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (sha256, name, query) = (line(), line(), line());
    let signer = LinkSigner::new(Secret::new([0x51; 32]));
    let now = Timestamp::from_millis(1_800_000_000_000);
    match signer.verify(sha256, name, query, now) {
        // Nobody guesses a signature: the seeds hold the only good one.
        Ok(digest) => assert_eq!(digest, Sha256([0xA5; 32])),
        Err(LinkError::Expired(at)) => assert!(at <= now),
        Err(LinkError::Altered) => {}
    }
    if let Ok(sha256) = sha256.parse::<Sha256>() {
        own_links_hold(&signer, sha256, name, now);
    }
}

fn own_links_hold(signer: &LinkSigner, sha256: Sha256, name: &str, now: Timestamp) {
    let expires = Timestamp::from_millis(now.as_millis() + 60_000);
    let link = signer.link(&sha256, name, expires);
    let (path, query) = link.split_once('?').expect("a link has a query");
    assert!(path.is_ascii() && !path.contains([' ', '<', '"', '\\']), "{path}");
    let digest = sha256.to_string();
    assert_eq!(signer.verify(&digest, name, query, now), Ok(sha256));
    assert_eq!(
        signer.verify(&digest, name, query, expires),
        Err(LinkError::Expired(expires))
    );
    let other = format!("{name}x");
    assert_eq!(
        signer.verify(&digest, &other, query, now),
        Err(LinkError::Altered),
        "a link is good for one name"
    );
}

/// The headers of a download, one a line: `Range`, `If-Range`, `If-None-Match`.
pub fn content_headers(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut lines = text.splitn(3, '\n');
    let (selects, if_range, if_none_match) = (lines.next(), lines.next(), lines.next());
    for size in [0, 1, 1000, u64::MAX] {
        match range::parse(selects, size) {
            Selection::Part(part) => {
                assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
                assert!(range::content_range(&part, size).is_ascii());
            }
            Selection::Whole | Selection::Unsatisfiable => {}
        }
    }
    let sha256 = Sha256([0xA5; 32]);
    let tag = range::etag(&sha256);
    for header in [if_range, if_none_match].into_iter().flatten() {
        let named = header.contains(&tag) || header.contains('*');
        assert!(named || !range::if_range(header, &sha256));
        assert!(named || !range::if_none_match(header, &sha256));
    }
}
