//! The parts of packages and bundles that are known by name.

use crate::signature::Covered;

pub(crate) const MANIFEST: &str = "AppxManifest.xml";
pub(crate) const BUNDLE_MANIFEST: &str = "AppxMetadata/AppxBundleManifest.xml";
pub(crate) const BLOCK_MAP: &str = "AppxBlockMap.xml";
pub(crate) const CONTENT_TYPES: &str = "[Content_Types].xml";
pub(crate) const SIGNATURE: &str = "AppxSignature.p7x";
pub(crate) const CODE_INTEGRITY: &str = "AppxMetadata/CodeIntegrity.cat";

/// What of a signature a part is: by its key, as names compare. These parts are in no block map.
pub(crate) fn footprint(key: &str) -> Option<Footprint> {
    let all = [
        (SIGNATURE, Footprint::Signature),
        (CONTENT_TYPES, Footprint::Covered(Covered::ContentTypes)),
        (BLOCK_MAP, Footprint::Covered(Covered::BlockMap)),
        (CODE_INTEGRITY, Footprint::Covered(Covered::CodeIntegrity)),
    ];
    let found = all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, footprint)| footprint)
}

/// A part that is written after the block map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Footprint {
    Signature,
    /// Covered by the signature as a whole.
    Covered(Covered),
}
