//! Faults that can be switched on: what real services do on bad days.
//!
//! A [`Fault`] says what goes wrong; as a [`FaultRule`] it also says where and how often. Unless told otherwise a
//! fault happens once. General faults meet the twelve operations; the token endpoint and the content host
//! meet them only where the rule names [`Operation::Token`], [`Operation::Content`] or [`Operation::Image`].

mod presets;

pub use presets::{names, preset};

use crate::{Operation, TokenError};
use serde_json::Value;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// An error status instead of the operation.
    Status {
        /// The status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<RetryAfter>,
    },
    /// The answer takes this much longer.
    Delay(Duration),
    /// The connection closes without an answer; nothing was done.
    Drop,
    /// The connection stays open and nothing ever comes; nothing was done.
    Hang,
    /// The headers come, and then a blank now and then, without an end; nothing was done.
    Trickle,
    /// The operation is carried out, and then its answer is lost.
    LoseAnswer(Loss),
    /// A web page with status 200.
    Html,
    /// A redirect to a page on another host.
    Redirect,

    /// The token endpoint refuses.
    Token(TokenError),

    /// `PascalCase` names.
    PascalCase,
    /// Every other name in `PascalCase`.
    MixedCase,
    /// Numbers as text.
    NumbersAsStrings,
    /// A UTF-8 byte order mark before the JSON.
    ByteOrderMark,
    /// Fields that nobody documented.
    UnknownFields,
    /// Empty lists as null.
    NullLists,
    /// Every field of this name has this value.
    Overwrite {
        /// Its name as documented.
        field: String,
        /// The value.
        value: Value,
    },

    /// A continuation token is not accepted any more; meets requests that carry one.
    ContinuationExpired,
    /// The answer carries the continuation token of the request; meets requests that carry one.
    ContinuationRepeated,
    /// A page without entries that is not the last.
    EmptyPage,
    /// The list ends with this page, by a blank token, although there is more.
    CutShort,
    /// The entries of this page are left out; the token leads to the next one.
    PageLost,
    /// The list has no entry at all, and says so with status 200.
    EmptyList,
    /// How the last page tells that it is the last. Every page counts, so this is best switched on for good.
    EndOfList(EndOfList),

    /// Addresses of packages live only this long; zero makes them expired from the start.
    AddressesLast(Duration),
    /// Packages have no address.
    NoAddresses,
    /// The hash of a package is that of another file.
    WrongHash,
    /// The size of a package is one byte too many.
    WrongSize,

    /// The content host closes the connection halfway.
    Truncated,
    /// The content host sends, and announces, half of the file.
    Short,
    /// One byte of the content is another.
    Corrupted,
    /// The content host closes the connection halfway, and the address has expired by then.
    ExpiresMidway,

    /// The first users of a bulk request fail.
    BulkFails(usize),
    /// The first users of a bulk request are processed and appear in neither list.
    BulkOmits(usize),

    /// The license text is broken into lines.
    LicenseLineBreaks,
}

/// How an answer is lost after the operation took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection closes.
    Drop,
    /// Status 500.
    ServerError,
    /// Nothing ever comes.
    Hang,
    /// The headers come, and then a blank now and then, without an end.
    Trickle,
}

/// How the last page says so, where the token is not simply absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfList {
    /// `null`.
    Null,
    /// An empty text.
    Empty,
    /// A blank text.
    Blank,
}

/// A `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds.
    Seconds(u32),
    /// As the date that lies this many seconds ahead.
    Date(u32),
}

impl Fault {
    /// An error status without `Retry-After`.
    pub const fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
        }
    }
    /// Status 429 with `Retry-After` in seconds.
    pub const fn throttled(seconds: u32) -> Self {
        Self::Status {
            status: 429,
            retry_after: Some(RetryAfter::Seconds(seconds)),
        }
    }

    /// Only for this operation.
    pub fn on(self, operation: Operation) -> FaultRule {
        FaultRule::from(self).on(operation)
    }
    /// Only where the path contains this text.
    pub fn at(self, path: &str) -> FaultRule {
        FaultRule::from(self).at(path)
    }
    /// Only after this many matching requests.
    pub fn after(self, requests: u32) -> FaultRule {
        FaultRule::from(self).after(requests)
    }
    /// This many times.
    pub fn times(self, times: u32) -> FaultRule {
        FaultRule::from(self).times(times)
    }
    /// Until it is cleared.
    pub fn always(self) -> FaultRule {
        FaultRule::from(self).always()
    }

    /// Whether it takes the place of the operation.
    const fn is_instead(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Drop
                | Self::Hang
                | Self::Trickle
                | Self::Html
                | Self::Redirect
                | Self::Token(_)
        )
    }

    /// Whether it means anything for such a request; `named` is whether the rule names the operation.
    const fn concerns(&self, target: &Target<'_>, named: bool) -> bool {
        let operation = target.operation;
        match self {
            Self::Status { .. }
            | Self::Delay(_)
            | Self::Drop
            | Self::Hang
            | Self::Trickle
            | Self::Html
            | Self::Redirect => named || operation.is_api(),
            Self::LoseAnswer(_)
            | Self::PascalCase
            | Self::MixedCase
            | Self::NumbersAsStrings
            | Self::ByteOrderMark
            | Self::UnknownFields
            | Self::NullLists
            | Self::Overwrite { .. } => {
                operation.is_api() || (named && matches!(operation, Operation::Token))
            }
            Self::Token(_) => matches!(operation, Operation::Token),
            Self::ContinuationExpired | Self::ContinuationRepeated => {
                operation.is_paged() && target.continued
            }
            Self::EmptyPage | Self::CutShort | Self::PageLost | Self::EmptyList | Self::EndOfList(_) => {
                operation.is_paged()
            }
            Self::AddressesLast(_) | Self::NoAddresses | Self::WrongHash | Self::WrongSize => {
                matches!(operation, Operation::Packages | Operation::Package)
            }
            Self::Truncated | Self::Short | Self::Corrupted | Self::ExpiresMidway => {
                matches!(operation, Operation::Content)
            }
            Self::BulkFails(_) | Self::BulkOmits(_) => matches!(operation, Operation::BulkSeats),
            Self::LicenseLineBreaks => matches!(operation, Operation::OfflineLicense),
        }
    }
}

/// A fault with where and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    fault: Fault,
    operation: Option<Operation>,
    path: Option<String>,
    skip: u32,
    /// `None`: until cleared.
    left: Option<u32>,
}

impl From<Fault> for FaultRule {
    /// Once.
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            operation: None,
            path: None,
            skip: 0,
            left: Some(1),
        }
    }
}

impl FaultRule {
    /// Only for this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }
    /// Only where the path contains this text (percent-encoded, as sent).
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }
    /// Only after this many matching requests.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }
    /// This many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }
    /// Until it is cleared.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.left = None;
        self
    }

    fn matches(&self, target: &Target<'_>) -> bool {
        self.left != Some(0)
            && self
                .operation
                .is_none_or(|operation| operation == target.operation)
            && self.path.as_ref().is_none_or(|part| target.path.contains(part))
            && self.fault.concerns(target, self.operation.is_some())
    }

    /// Counts a matching request; whether the fault happens now.
    const fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        true
    }
}

/// A request, as far as rules look at it.
pub(crate) struct Target<'a> {
    pub(crate) operation: Operation,
    pub(crate) path: &'a str,
    /// It carries a continuation token.
    pub(crate) continued: bool,
}

/// The rules that are switched on.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FaultRule>);

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Rules that have not happened as often as they should.
    pub(crate) fn pending(&self) -> usize {
        self.0.iter().filter(|rule| rule.left.is_some()).count()
    }

    /// What goes wrong with this request. A fault in place of the operation leaves later ones untouched, delays aside.
    pub(crate) fn strike(&mut self, target: &Target<'_>) -> Struck {
        let mut struck = Struck::default();
        let mut instead = false;
        for rule in self.0.iter_mut().filter(|rule| rule.matches(target)) {
            let delay = matches!(rule.fault, Fault::Delay(_));
            if (delay || !instead) && rule.strike() {
                instead |= rule.fault.is_instead();
                struck.0.push(rule.fault.clone());
            }
        }
        self.0.retain(|rule| rule.left != Some(0));
        struck
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Struck(Vec<Fault>);

impl Struck {
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }

    pub(crate) fn find<T>(&self, pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// The fault in place of the operation.
    pub(crate) fn instead(&self) -> Option<&Fault> {
        self.0.iter().find(|fault| fault.is_instead())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(operation: Operation, path: &str) -> Target<'_> {
        Target {
            operation,
            path,
            continued: false,
        }
    }

    fn strikes(faults: &mut Faults, operation: Operation, path: &str) -> usize {
        faults.strike(&target(operation, path)).0.len()
    }

    #[test]
    fn a_fault_happens_once_unless_told_otherwise() {
        let mut faults = Faults::default();
        faults.add(Fault::Drop.into());
        faults.add(Fault::PascalCase.always());
        assert_eq!(strikes(&mut faults, Operation::Inventory, "/Inventory"), 1);
        assert_eq!(faults.pending(), 0);
        for _ in 0..3 {
            assert_eq!(strikes(&mut faults, Operation::Inventory, "/Inventory"), 1);
        }
    }

    #[test]
    fn rules_are_limited_by_operation_path_and_count() {
        let mut faults = Faults::default();
        faults.add(
            Fault::status(503)
                .on(Operation::Seat)
                .at("/ann")
                .after(1)
                .times(2),
        );
        let happened: Vec<_> = [
            (Operation::Seats, "/ann"),
            (Operation::Seat, "/bob"),
            (Operation::Seat, "/ann"),
            (Operation::Seat, "/ann"),
            (Operation::Seat, "/ann"),
            (Operation::Seat, "/ann"),
        ]
        .map(|(operation, path)| strikes(&mut faults, operation, path))
        .into();
        assert_eq!(happened, [0, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn general_faults_meet_tokens_and_content_only_by_name() {
        let mut faults = Faults::default();
        faults.add(Fault::status(500).always());
        assert_eq!(strikes(&mut faults, Operation::Token, "/t"), 0);
        assert_eq!(strikes(&mut faults, Operation::Content, "/f"), 0);
        faults.add(Fault::status(500).on(Operation::Content));
        assert_eq!(strikes(&mut faults, Operation::Content, "/f"), 1);
    }

    #[test]
    fn one_fault_takes_the_place_of_the_operation_and_spares_the_others() {
        let mut faults = Faults::default();
        faults.add(Fault::status(401).into());
        faults.add(Fault::status(503).into());
        faults.add(Fault::Delay(Duration::from_millis(1)).into());
        let struck = faults.strike(&target(Operation::Inventory, "/Inventory"));
        assert_eq!(struck.instead(), Some(&Fault::status(401)));
        assert_eq!(struck.0.len(), 2, "the delay comes too");
        assert_eq!(faults.pending(), 1);
    }

    #[test]
    fn continuation_faults_wait_for_a_continued_request() {
        let mut faults = Faults::default();
        faults.add(Fault::ContinuationExpired.into());
        assert_eq!(strikes(&mut faults, Operation::Inventory, "/Inventory"), 0);
        let continued = Target {
            continued: true,
            ..target(Operation::Inventory, "/Inventory")
        };
        assert_eq!(faults.strike(&continued).0.len(), 1);
    }
}
