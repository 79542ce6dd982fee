//! What a decoder accepts at most.

/// Bounds on one document, checked before memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document, and of the text that WBXML's string-table references and markup in `Data` come to.
    pub bytes: usize,
    /// Elements inside one another, counted from the root. Groups are read by recursion: keep it below 100.
    pub depth: usize,
    /// Elements inside one another within one `Data`, counted from its first child.
    pub markup_depth: usize,
    /// Commands, those in groups included.
    pub commands: usize,
    /// `Item`, `TargetRef` and `SourceRef` elements together.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 * 1024 * 1024,
            depth: 16,
            markup_depth: 64,
            commands: 10_000,
            items: 65_536,
        }
    }
}
