//! Pages by id: where they start and how they are cut.

use qm_core::{Page, PageRequest, Timestamp};
use uuid::Uuid;

/// Where a page of a list that runs from new to old starts: below this id.
pub(crate) fn before(page: PageRequest) -> Uuid {
    page.after.unwrap_or(Uuid::max())
}

/// Where a page of a list that runs from old to new starts: above this id.
pub(crate) fn after(page: PageRequest) -> Uuid {
    page.after.unwrap_or(Uuid::nil())
}

/// The smallest id that was made at that moment: what is below it is older.
pub(crate) fn oldest_id(at: Timestamp) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.as_millis().max(0).to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

/// How many rows to ask for: one more than wanted tells whether there is more.
pub(crate) fn rows(page: PageRequest) -> i64 {
    i64::from(page.limit.min(PageRequest::MAX_LIMIT)) + 1
}

/// The page made of those rows.
pub(crate) fn cut<T>(rows: Vec<T>, page: PageRequest, id: impl Fn(&T) -> Uuid) -> Page<T> {
    Page::from_rows(rows, page.limit.min(PageRequest::MAX_LIMIT), id)
}

/// A pattern for `LIKE … ESCAPE '\'` that finds the text anywhere; `%` where nothing is sought.
pub(crate) fn containing(text: Option<&str>) -> String {
    let mut pattern = String::from("%");
    for c in text.unwrap_or_default().trim().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if pattern.len() > 1 {
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_older_than_the_moment_after_theirs() {
        let (at, rng) = (Timestamp::from_millis(1_800_000_000_000), qm_core::Rng::seeded(1));
        let id = qm_core::id::uuid_v7(at, &rng);
        assert!(oldest_id(at) <= id);
        assert!(id < oldest_id(Timestamp::from_millis(at.as_millis() + 1)));
        assert_eq!(oldest_id(Timestamp::from_millis(-5)), Uuid::nil());
    }

    #[test]
    fn patterns_find_the_text_itself() {
        assert_eq!(containing(None), "%");
        assert_eq!(containing(Some(" ")), "%");
        assert_eq!(containing(Some("50%_\\")), "%50\\%\\_\\\\%");
    }
}
