//! What claims to be the Store's service or its token authority.

use qm_core::Timestamp;
use qm_store_model::{
    BulkResult, Fault, Grant, InventoryEntry, License, LocalizedDetails, PackageSet, Page, Platform,
    ProductDetails, Seat, SeatAction, SeatState, StorePackage, TokenError, dates, lenient::Fields,
    seat_in_state,
};
use serde_json::Value;
use std::{str, time::Duration};

/// A body, read as the answer to every operation and as a refusal.
pub fn store_answer(input: &[u8]) {
    for status in [400, 404, 409] {
        let fault = Fault::read(status, input);
        let _ = (fault.missing(), fault.conflict(), fault.tells_no_seats());
        assert!(
            fault.for_people().len() < 8 * 1024,
            "a refusal is told in some sentences"
        );
    }
    let Ok(json) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    page(&json, "inventoryEntries", InventoryEntry::read);
    page(&json, "seats", Seat::read);
    page(&json, "supportedPlatforms", Platform::read);
    seats(&json);
    if let Some(fields) = Fields::of(&json) {
        let _ = (ProductDetails::read(fields), LocalizedDetails::read(fields));
        let license = License::read(fields);
        assert!(license.is_none_or(|license| !license.blob.expose().contains(char::is_whitespace)));
        PackageSet::read(fields).packages.iter().for_each(package);
    }
    StorePackage::read(&json).iter().for_each(package);
}

fn page<T>(json: &Value, list: &str, read: fn(&Value) -> Option<T>) {
    let Some(page) = Page::read(json, list, read) else {
        return;
    };
    assert!(
        page.next.is_none_or(|next| !next.trim().is_empty()),
        "a blank token ends the list"
    );
}

fn seats(json: &Value) {
    for action in [SeatAction::Assign, SeatAction::Reclaim] {
        if let Some(result) = BulkResult::read(action, json) {
            let names = result.done.iter().map(|seat| &seat.upn);
            for upn in names
                .chain(result.failed.iter().map(|failed| &failed.upn))
                .take(10)
            {
                let _ = result.verdict(upn);
            }
        }
    }
    let seat = seat_in_state(json, "mira@depot.example", &SeatState::Active);
    assert!(seat.is_none_or(|seat| seat.is_active()));
}

fn package(package: &StorePackage) {
    let name = package.file_name();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-~".contains(c);
    assert!(
        !name.is_empty() && !name.starts_with('.') && name.len() <= 200,
        "`{name}`"
    );
    assert!(name.chars().all(plain), "`{name}`");
    let _ = package.any_version();
    for framework in &package.frameworks {
        assert!(framework.frameworks.is_empty(), "frameworks need no others");
        self::package(framework);
    }
}

/// A body, read as a token and as a refusal of one.
pub fn store_token(input: &[u8]) {
    let now = Timestamp::from_millis(1_800_000_000_000);
    if let Ok(grant) = Grant::read(input, "https://audience.example", now) {
        assert!(now <= grant.renew_at && grant.renew_at <= grant.ends_at);
        assert!(grant.ends_at.since(now) <= Duration::from_hours(24));
        assert!(grant.value.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
    for status in [400, 401, 429, 500] {
        let error = TokenError::refusal(status, input, None);
        assert!(error.to_string().len() < 1024, "a refusal is told in a sentence");
        assert!(
            status < 429 || error.is_transient(),
            "an authority out of order may be asked again"
        );
    }
}

/// Dates of headers and of JSON.
pub fn store_dates(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let now = Timestamp::from_millis(1_800_000_000_000);
    let wait = dates::retry_after(text, now);
    assert!(wait.is_none_or(|wait| wait <= dates::LONGEST_WAIT), "{wait:?}");
    if let Some(date) = dates::read(text) {
        assert_eq!(
            dates::read(&dates::write(date)),
            Some(date),
            "a date is written as it was read"
        );
        assert_eq!(dates::read(&date.to_string()), Some(date));
    }
}
