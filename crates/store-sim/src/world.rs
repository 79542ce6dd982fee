//! Everything that the service knows, behind one lock.

use crate::{
    catalogue::{Product, ProductKey},
    config::SimConfig,
    content::Addresses,
    fault::Faults,
    ids::guid,
    journal::{Journal, fold},
    ledger::Ledger,
    observer::{Moment, Observer},
    operation::Operation,
    page::Cursors,
    token::Tokens,
};
use qm_core::{Timestamp, text_enum};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use uuid::Uuid;

text_enum! {
    /// Whether the organization has a product.
    pub enum Ownership {
        /// It has.
        Active = "Active",
        /// It had; the inventory still shows it so.
        Removed = "Removed",
        /// It has not; the inventory does not show it, the Store knows it.
        NotOwned = "NotOwned",
    }
}

/// A product with what changes over time.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) product: Product,
    pub(crate) ownership: Ownership,
    pub(crate) last_modified: Timestamp,
}

/// The state of the service.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: SimConfig,
    /// Where the content host is, without a slash at the end.
    pub(crate) content_url: String,
    pub(crate) activated: bool,
    pub(crate) products: BTreeMap<ProductKey, Entry>,
    /// Directory spelling by folded name.
    users: BTreeMap<String, String>,
    pub(crate) ledger: Ledger,
    pub(crate) tokens: Tokens,
    pub(crate) cursors: Cursors,
    pub(crate) addresses: Addresses,
    /// License instances by product and content id.
    licenses: HashMap<(ProductKey, Uuid), Uuid>,
    /// The organization, as licenses name it.
    pub(crate) requestor_id: Uuid,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
}

/// The state, shared between the servers and the handle, with whoever observes them.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inside>);

struct Inside {
    world: Mutex<World>,
    observer: OnceLock<Arc<dyn Observer>>,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        let observer = OnceLock::new();
        Self(Arc::new(Inside {
            world: Mutex::new(world),
            observer,
        }))
    }

    /// Locks the state; a panic in some test leaves it usable for the others.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the observer from now on; the first one stays.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.0.observer.get().is_some()
    }

    /// Whether the connection lives on.
    pub(crate) fn lives(&self, operation: Operation, moment: Moment) -> bool {
        self.0
            .observer
            .get()
            .is_none_or(|observer| observer.sees(operation, moment))
    }
}

impl fmt::Debug for Shared {
    /// Says nothing of what is inside: tokens and addresses are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

impl World {
    pub(crate) fn new(mut config: SimConfig, content_url: String) -> Self {
        let products = std::mem::take(&mut config.products);
        let users = std::mem::take(&mut config.users);
        let mut world = Self {
            requestor_id: guid(&config.rng),
            config,
            content_url,
            activated: true,
            products: BTreeMap::new(),
            users: BTreeMap::new(),
            ledger: Ledger::default(),
            tokens: Tokens::default(),
            cursors: Cursors::default(),
            addresses: Addresses::default(),
            licenses: HashMap::new(),
            faults: Faults::default(),
            journal: Journal::default(),
        };
        for product in products {
            world.put(product);
        }
        for user in users {
            world.add_user(&user);
        }
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Adds a product, or replaces the one with its key.
    pub(crate) fn put(&mut self, product: Product) {
        let entry = Entry {
            ownership: Ownership::Active,
            last_modified: self.now(),
            product,
        };
        self.products.insert(entry.product.key.clone(), entry);
    }

    /// Changes an entry, which makes it modified now; false where there is none.
    pub(crate) fn modify(&mut self, key: &ProductKey, change: impl FnOnce(&mut Entry)) -> bool {
        let now = self.now();
        let Some(entry) = self.products.get_mut(key) else {
            return false;
        };
        change(entry);
        entry.last_modified = now;
        true
    }

    pub(crate) fn add_user(&mut self, upn: &str) {
        self.users.insert(fold(upn), upn.to_owned());
    }

    pub(crate) fn remove_user(&mut self, upn: &str) {
        self.users.remove(&fold(upn));
        let now = self.now();
        self.ledger.reclaim_all_of(upn, now);
    }

    pub(crate) fn rename_user(&mut self, old: &str, new: &str) {
        self.users.remove(&fold(old));
        self.add_user(new);
        self.ledger.rename(old, new);
    }

    /// The directory's spelling of a user; `None` if there is no such user.
    pub(crate) fn user(&self, upn: &str) -> Option<String> {
        let known = self.users.get(&fold(upn)).cloned();
        known.or_else(|| self.config.everyone_exists.then(|| upn.to_owned()))
    }

    /// Seats left; never below zero, whatever was taken away from the total.
    pub(crate) fn available(&self, product: &Product) -> u64 {
        let assigned = self.ledger.active_of(&product.key).count() as u64;
        product.seat_capacity.saturating_sub(assigned)
    }

    /// The instance of a license; made when it is first asked for.
    pub(crate) fn license_instance(&mut self, key: &ProductKey, content_id: Uuid) -> Uuid {
        let rng = &self.config.rng;
        *self
            .licenses
            .entry((key.clone(), content_id))
            .or_insert_with(|| guid(rng))
    }

    /// The next license is another instance.
    pub(crate) fn renew_license(&mut self, key: &ProductKey, content_id: Uuid) {
        self.licenses.remove(&(key.clone(), content_id));
    }
}
