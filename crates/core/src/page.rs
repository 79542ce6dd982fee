//! Pages of a list, newest or oldest first, continued by the last id seen.

use uuid::Uuid;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items.
    pub limit: u32,
    /// Items after this one in the list's order.
    pub after: Option<Uuid>,
}

impl PageRequest {
    /// The most items a page may have.
    pub const MAX_LIMIT: u32 = 500;
    /// How many items a page has where nobody says.
    pub const DEFAULT_LIMIT: u32 = 100;

    /// Reads what a caller asks for; a cursor is the `next` of the page before.
    pub fn read(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, BadPage> {
        let limit = limit.unwrap_or(Self::DEFAULT_LIMIT);
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(BadPage::Limit);
        }
        let after = cursor.map(Uuid::parse_str).transpose();
        Ok(Self {
            limit,
            after: after.map_err(|_| BadPage::Cursor)?,
        })
    }

    /// The first page of at most `limit` items.
    pub const fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }
}

/// Why there is no such page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// Not 1 to [`PageRequest::MAX_LIMIT`].
    #[error("must be 1 to {}", PageRequest::MAX_LIMIT)]
    Limit,
    /// Not one of ours.
    #[error("take it from `next_cursor` of the page before")]
    Cursor,
}

/// One page and where the next one starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The id to continue after, if there is more.
    pub next: Option<Uuid>,
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` rows: the surplus row only tells that there is more.
    pub fn from_rows(mut rows: Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(id) } else { None };
        Self { items: rows, next }
    }

    /// The same page of something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_have_bounds_and_a_default() {
        assert_eq!(PageRequest::read(None, None), Ok(PageRequest::first(100)));
        for (limit, good) in [
            (0, false),
            (1, true),
            (500, true),
            (501, false),
            (u32::MAX, false),
        ] {
            assert_eq!(PageRequest::read(Some(limit), None).is_ok(), good, "{limit}");
        }
    }

    proptest! {
        #[test]
        fn the_cursor_of_a_page_asks_for_the_next(id in any::<u128>(), rows in 1..20usize, limit in 1..20u32) {
            let id = Uuid::from_u128(id);
            let page = Page::from_rows(vec![id; rows], limit, |row| *row);
            let cursor = page.next.map(|next| next.to_string());
            let request = PageRequest::read(Some(limit), cursor.as_deref()).unwrap();
            prop_assert_eq!(request.after, (rows > limit as usize).then_some(id));
        }

        #[test]
        fn any_other_text_is_no_cursor(text in "\\PC{0,40}") {
            let known = Uuid::parse_str(&text).is_ok();
            prop_assert_eq!(PageRequest::read(None, Some(&text)).is_ok(), known);
        }
    }
}
