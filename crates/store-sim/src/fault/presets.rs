//! Faults by name, for the command line.

use super::{EndOfList, Fault, FaultRule, Loss, RetryAfter};
use crate::{Operation, TokenError};
use std::time::Duration;

/// The fault of this name.
pub fn preset(name: &str) -> Option<FaultRule> {
    let found = PRESETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, make)| make())
}

/// Every name that [`preset`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

type Make = fn() -> FaultRule;

const PRESETS: &[(&str, Make)] = &[
    ("unauthorized-once", || Fault::status(401).into()),
    ("unauthorized", || Fault::status(401).always()),
    ("forbidden", || Fault::status(403).always()),
    ("throttled", || Fault::throttled(2).times(3)),
    ("server-error", || Fault::status(503).times(3)),
    ("gone", || Fault::status(410).always()),
    ("html", || Fault::Html.always()),
    ("redirect", || Fault::Redirect.always()),
    ("slow", || Fault::Delay(Duration::from_secs(5)).always()),
    ("silent", || Fault::Hang.always()),
    ("trickling", || Fault::Trickle.always()),
    ("dropped", || Fault::Drop.times(3)),
    ("throttled-by-date", || {
        Fault::Status {
            status: 429,
            retry_after: Some(RetryAfter::Date(2)),
        }
        .times(3)
    }),
    ("wrong-secret", || Fault::Token(TokenError::WrongSecret).always()),
    ("unknown-application", || {
        Fault::Token(TokenError::UnknownApplication).always()
    }),
    ("unknown-tenant", || {
        Fault::Token(TokenError::UnknownTenant).always()
    }),
    ("unknown-resource", || {
        Fault::Token(TokenError::UnknownResource).always()
    }),
    ("secret-expired", || {
        Fault::Token(TokenError::SecretExpired).always()
    }),
    ("resource-disabled", || {
        Fault::Token(TokenError::ResourceDisabled).always()
    }),
    ("token-unavailable", || {
        Fault::Token(TokenError::Unavailable).times(3)
    }),
    ("token-throttled", || Fault::throttled(2).on(Operation::Token)),
    ("pascal-case", || Fault::PascalCase.always()),
    ("mixed-case", || Fault::MixedCase.always()),
    ("numbers-as-strings", || Fault::NumbersAsStrings.always()),
    ("byte-order-mark", || Fault::ByteOrderMark.always()),
    ("unknown-fields", || Fault::UnknownFields.always()),
    ("null-lists", || Fault::NullLists.always()),
    ("expired-continuation", || Fault::ContinuationExpired.into()),
    ("repeated-continuation", || Fault::ContinuationRepeated.always()),
    ("empty-page", || Fault::EmptyPage.into()),
    ("cut-short", || Fault::CutShort.on(Operation::Inventory)),
    ("lost-page", || Fault::PageLost.on(Operation::Inventory)),
    ("empty-list", || Fault::EmptyList.on(Operation::Inventory)),
    ("blank-continuation", || {
        Fault::EndOfList(EndOfList::Blank).always()
    }),
    ("null-continuation", || Fault::EndOfList(EndOfList::Null).always()),
    ("empty-continuation", || {
        Fault::EndOfList(EndOfList::Empty).always()
    }),
    ("license-not-found", || {
        Fault::status(404).on(Operation::OfflineLicense).always()
    }),
    ("license-conflict", || {
        Fault::status(409).on(Operation::OfflineLicense).always()
    }),
    ("short-addresses", || {
        Fault::AddressesLast(Duration::from_secs(2)).always()
    }),
    ("no-addresses", || Fault::NoAddresses.always()),
    ("wrong-hash", || Fault::WrongHash.always()),
    ("wrong-size", || Fault::WrongSize.always()),
    ("dead-content", || Fault::Drop.on(Operation::Content).always()),
    ("truncated", || Fault::Truncated.into()),
    ("short", || Fault::Short.into()),
    ("corrupted", || Fault::Corrupted.into()),
    ("expires-midway", || Fault::ExpiresMidway.into()),
    ("content-redirect", || Fault::Redirect.on(Operation::Content)),
    ("assign-answer-lost", || {
        Fault::LoseAnswer(Loss::Drop).on(Operation::AssignSeat)
    }),
    ("reclaim-answer-lost", || {
        Fault::LoseAnswer(Loss::Drop).on(Operation::ReclaimSeat)
    }),
    ("bulk-answer-lost", || {
        Fault::LoseAnswer(Loss::Drop).on(Operation::BulkSeats)
    }),
    ("bulk-server-error", || {
        Fault::LoseAnswer(Loss::ServerError).on(Operation::BulkSeats)
    }),
    ("bulk-partial", || Fault::BulkFails(1).into()),
    ("bulk-omits", || Fault::BulkOmits(1).into()),
    ("license-line-breaks", || Fault::LicenseLineBreaks.always()),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_known() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), PRESETS.len());
        assert!(all.iter().all(|name| preset(name).is_some()));
        assert!(preset("no-such-fault").is_none());
    }
}
