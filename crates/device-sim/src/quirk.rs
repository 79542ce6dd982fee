//! Misbehaviour on request: what real devices and networks have been seen to do.

/// One way to misbehave. Message numbers count the device's messages of a session from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quirk {
    /// Alerts of app jobs come without `CmdID`.
    AlertWithoutCmdId,
    /// Results longer than so many bytes go up in chunks of that size.
    ChunkResults(usize),
    /// Package 1 spells `./DevInfo/DevID` as the documentation does, not `DevId` as Windows does.
    DevIdAsDocumented,
    /// Alerts carry an empty `Meta` instead of their type.
    EmptyMeta,
    /// Claims to be another device in `Source`.
    ForeignSource(String),
    /// Alerts of app jobs are held back for one session.
    LateAlerts,
    /// Alerts of app jobs get lost.
    LoseAlerts,
    /// The connection breaks before the answer to this message is read; the device sends it again.
    LoseReply(u32),
    /// Before this message a second session begins and ends, as by a push in the middle of the scheduled one.
    Overlap(u32),
    /// Alerts of app jobs come newest first.
    ReorderAlerts,
    /// This message is sent twice; the answers are compared byte for byte.
    RepeatMessage(u32),
    /// Every session has the SessionID `1`, as after a reset.
    ReuseSessionId,
    /// After this message the numbering leaves one out.
    SkipMsgId(u32),
    /// Switched off after sending this message: the answer is never read.
    StopAfter(u32),
    /// Error codes in alerts are unsigned decimals.
    UnsignedCodes,
    /// This message goes out in two halves, the first without `Final`.
    WithoutFinal(u32),
}

/// The misbehaviour of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quirks(pub Vec<Quirk>);

impl Quirks {
    pub(crate) fn has(&self, quirk: &Quirk) -> bool {
        self.0.contains(quirk)
    }
    pub(crate) fn chunk_size(&self) -> Option<usize> {
        self.0.iter().find_map(|quirk| match quirk {
            Quirk::ChunkResults(size) => Some((*size).max(1)),
            _ => None,
        })
    }
    pub(crate) fn foreign_source(&self) -> Option<&str> {
        self.0.iter().find_map(|quirk| match quirk {
            Quirk::ForeignSource(source) => Some(source.as_str()),
            _ => None,
        })
    }
}

impl<const N: usize> From<[Quirk; N]> for Quirks {
    fn from(quirks: [Quirk; N]) -> Self {
        Self(quirks.into())
    }
}
