//! Lists of several pages, read to the end or not at all.

use crate::{
    AnswerProblem, InventoryEntry, LicenseType, Operation, ProductKey, RetryPolicy, StoreClient, StoreError,
    transport::Call,
};
use qm_core::Timestamp;
use qm_store_model::{Page, dates};
use reqwest::Method;
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    time::Duration,
};

/// A list that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk<T> {
    /// The elements, each once; of several the last one.
    pub items: Vec<T>,
    /// Elements that could not be read.
    pub skipped: usize,
    /// The service's time at the first page: the mark for the next incremental walk.
    pub began_at: Option<Timestamp>,
}

/// What to list of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryQuery {
    /// Only entries changed since then.
    pub modified_since: Option<Timestamp>,
    /// Which license types.
    pub licenses: Vec<LicenseType>,
    /// Entries on a page; no maximum is documented, and where it is refused 25 are asked for.
    pub page_size: u32,
    /// The undocumented `IncludeRemoved`; not sent if `None`.
    pub include_removed: Option<bool>,
    /// The undocumented `includeSubscription`; not sent if `None`.
    pub include_subscription: Option<bool>,
}

impl Default for InventoryQuery {
    /// Everything of both license types.
    fn default() -> Self {
        Self {
            modified_since: None,
            licenses: vec![LicenseType::Online, LicenseType::Offline],
            page_size: DEFAULT_PAGE,
            include_removed: None,
            include_subscription: None,
        }
    }
}

/// What to page through.
pub(crate) struct Listing<'a, T> {
    pub(crate) operation: Operation,
    pub(crate) segments: Vec<&'a str>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) page_size: u32,
    /// The property that holds the elements.
    pub(crate) list: &'static str,
    pub(crate) read: fn(&Value) -> Option<T>,
}

/// Why a walk broke, and whether on its first page.
type Broken = (StoreError, bool);

impl StoreClient {
    /// 6.1: the inventory, all pages.
    pub async fn inventory(&self, query: &InventoryQuery) -> Result<Walk<InventoryEntry>, StoreError> {
        let mut walk = self.walk(&inventory_listing(query)).await?;
        walk.items = last_of_each(walk.items, |entry| entry.key.folded());
        Ok(walk)
    }

    /// Asks once, for the least there is, whether the service answers and lets us in.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let once = Self {
            retry: PROBE,
            urgent: true,
            ..self.clone()
        };
        let listing = inventory_listing(&InventoryQuery {
            page_size: 1,
            ..InventoryQuery::default()
        });
        once.page(&listing, listing.page_size, None).await.map(|_| ())
    }

    /// The online entry of one product, looked up in the inventory: the service has no call for a single entry.
    pub async fn inventory_entry(&self, key: &ProductKey) -> Result<Option<InventoryEntry>, StoreError> {
        let query = InventoryQuery {
            licenses: vec![LicenseType::Online],
            ..InventoryQuery::default()
        };
        let wanted = key.folded();
        let walk = self
            .walk_until(&inventory_listing(&query), |entry| entry.key.folded() == wanted)
            .await?;
        Ok(walk.items.into_iter().rfind(|entry| entry.key.folded() == wanted))
    }

    /// Reads all pages. A refused page size falls back to the default, a token refused in mid-walk starts the walk
    /// over once.
    pub(crate) async fn walk<T>(&self, listing: &Listing<'_, T>) -> Result<Walk<T>, StoreError> {
        self.walk_until(listing, |_| false).await
    }

    /// As [`Self::walk`], but no further than the page with the first element that is `enough`.
    async fn walk_until<T>(
        &self,
        listing: &Listing<'_, T>,
        enough: impl Fn(&T) -> bool,
    ) -> Result<Walk<T>, StoreError> {
        let mut size = listing.page_size;
        let mut restarted = false;
        loop {
            match self.walk_once(listing, size, &enough).await {
                Err((StoreError::Refused { fault, .. }, true))
                    if fault.status == 400 && size > DEFAULT_PAGE =>
                {
                    size = DEFAULT_PAGE;
                }
                Err((StoreError::Refused { fault, .. }, false)) if fault.status == 400 && !restarted => {
                    restarted = true;
                }
                settled => return settled.map_err(|(error, _)| error),
            }
        }
    }

    async fn walk_once<T>(
        &self,
        listing: &Listing<'_, T>,
        size: u32,
        enough: &impl Fn(&T) -> bool,
    ) -> Result<Walk<T>, Broken> {
        let mut walk = Walk {
            items: Vec::new(),
            skipped: 0,
            began_at: None,
        };
        let mut used = HashSet::new();
        let mut token = None;
        for page in 0..MAX_PAGES {
            let (answer, date) = self
                .page(listing, size, token.as_deref())
                .await
                .map_err(|error| (error, page == 0))?;
            if page == 0 {
                walk.began_at = date;
            }
            let found = answer.list.items.iter().any(enough);
            walk.items.extend(answer.list.items);
            walk.skipped += answer.list.skipped;
            if found {
                return Ok(walk);
            }
            let Some(next) = answer.next else { return Ok(walk) };
            if !used.insert(next.clone()) {
                return Err((StoreError::PageLoop(listing.operation), false));
            }
            if walk.items.len() > MAX_ITEMS {
                break;
            }
            token = Some(next);
        }
        Err((StoreError::TooManyPages(listing.operation), false))
    }

    async fn page<T>(
        &self,
        listing: &Listing<'_, T>,
        size: u32,
        token: Option<&str>,
    ) -> Result<(Page<T>, Option<Timestamp>), StoreError> {
        let operation = listing.operation;
        let mut query = listing.query.clone();
        query.push(("maxResults", size.to_string()));
        query.extend(token.map(|token| ("continuationToken", token.to_owned())));
        let url = self.inner.endpoints.url(operation, &listing.segments, &query)?;
        let answer = self
            .call(&Call {
                operation,
                method: Method::GET,
                url,
                body: None,
            })
            .await?;
        let problem = if answer.json.is_null() {
            AnswerProblem::Empty
        } else {
            AnswerProblem::NotAnObject
        };
        let page = Page::read(&answer.json, listing.list, listing.read);
        let page = page.ok_or(StoreError::BadAnswer { operation, problem })?;
        Ok((page, answer.date))
    }
}

fn inventory_listing(query: &InventoryQuery) -> Listing<'static, InventoryEntry> {
    Listing {
        operation: Operation::Inventory,
        segments: vec!["Inventory"],
        query: inventory_parameters(query),
        page_size: query.page_size.max(1),
        list: "inventoryEntries",
        read: InventoryEntry::read,
    }
}

fn inventory_parameters(query: &InventoryQuery) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    parameters.extend(
        query
            .modified_since
            .map(|since| ("modifiedSince", dates::write(since))),
    );
    parameters.extend(
        query
            .licenses
            .iter()
            .map(|license| ("licenseTypes", license.as_str().to_owned())),
    );
    parameters.extend(
        query
            .include_removed
            .map(|flag| ("IncludeRemoved", flag.to_string())),
    );
    parameters.extend(
        query
            .include_subscription
            .map(|flag| ("includeSubscription", flag.to_string())),
    );
    parameters
}

/// Lists shift while they are walked: of elements with the same key the last one is kept, in the first one's place.
pub(crate) fn last_of_each<T, K: Hash + Eq>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut places = HashMap::new();
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        match places.entry(key(&item)) {
            std::collections::hash_map::Entry::Occupied(place) => kept[*place.get()] = item,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
        }
    }
    kept
}

/// One attempt, and a second one where the token has to be renewed.
const PROBE: RetryPolicy = RetryPolicy {
    attempts: 1,
    attempt: Duration::from_secs(30),
    first_pause: Duration::ZERO,
    longest_pause: Duration::ZERO,
    budget: Duration::from_mins(1),
};
/// The service's default page, accepted everywhere.
const DEFAULT_PAGE: u32 = 25;
const MAX_PAGES: u32 = 10_000;
/// Elements beyond which a list is not believed.
const MAX_ITEMS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_of_each_in_the_first_ones_place() {
        let items = vec![("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 3)];
        assert_eq!(last_of_each(items, |item| item.0), [("a", 2), ("b", 3), ("c", 1)]);
    }
}
