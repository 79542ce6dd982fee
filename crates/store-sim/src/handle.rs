//! Starting the service, and everything that tests and demonstrations do to it while it runs.

use crate::{
    Operation,
    catalogue::{Product, ProductKey},
    config::SimConfig,
    content,
    fault::FaultRule,
    front,
    journal::{RequestRecord, Violation},
    ledger::SeatRecord,
    observer::Observer,
    refusal::Refusal,
    server::{Server, listen},
    service::seats,
    world::{Ownership, Shared, World},
};
use axum::Router;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// The simulated service; see [`StoreSim::start`].
#[derive(Debug)]
pub struct StoreSim;

/// A running service. It stops when this is dropped.
#[derive(Debug)]
pub struct StoreSimHandle {
    shared: Shared,
    /// `None` while it is switched off.
    api: Mutex<Option<Server>>,
    content: Server,
    port: u16,
    authority_url: String,
    base_url: String,
    content_url: String,
}

/// Why a seat could not be claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the seat cannot be claimed: the service answers {status}")]
pub struct NotClaimed {
    /// The status that an assignment would be answered with.
    pub status: u16,
}

impl StoreSim {
    /// Starts the API with the token endpoint, and the content host, on 127.0.0.1.
    pub async fn start(config: SimConfig) -> io::Result<StoreSimHandle> {
        let (api, api_address) = listen(config.port).await?;
        let (files, files_address) = listen(config.content_port).await?;
        let authority_url = format!("http://{api_address}");
        let base_url = format!("{authority_url}{}", config.base_path);
        let content_url = format!("http://{files_address}");
        let shared = Shared::new(World::new(config, content_url.clone()));
        let content_router = Router::new().fallback(content::serve).with_state(shared.clone());
        tracing::info!(store.base_url = %base_url, store.content_url = %content_url, "store simulator started");
        Ok(StoreSimHandle {
            api: Mutex::new(Some(Server::start(api, api_router(&shared)))),
            shared,
            content: Server::start(files, content_router),
            port: api_address.port(),
            authority_url,
            base_url,
            content_url,
        })
    }
}

fn api_router(shared: &Shared) -> Router {
    Router::new().fallback(front::serve).with_state(shared.clone())
}

/// Addresses and credentials.
impl StoreSimHandle {
    /// Where the operations are: ends with the base path.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
    /// What the tenant and `/oauth2/token` are appended to.
    pub fn authority_url(&self) -> &str {
        &self.authority_url
    }
    /// The content host.
    pub fn content_url(&self) -> &str {
        &self.content_url
    }
    /// The organization's directory.
    pub fn tenant_id(&self) -> String {
        self.shared.lock().config.tenant_id.clone()
    }
    /// The application's id.
    pub fn client_id(&self) -> String {
        self.shared.lock().config.client_id.clone()
    }
    /// The application's secret.
    pub fn client_secret(&self) -> String {
        self.shared.lock().config.client_secret.expose().clone()
    }
    /// The audience that tokens are for.
    pub fn resource(&self) -> String {
        self.shared.lock().config.resource.clone()
    }

    /// Stops both servers and closes every connection.
    pub async fn stop(self) {
        self.switch_off().await;
        self.content.stopped().await;
    }
    /// Stops the API and the token endpoint: connections are refused until [`StoreSimHandle::switch_on`].
    pub async fn switch_off(&self) {
        let running = self.api.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = running {
            server.stopped().await;
        }
    }
    /// Starts the API and the token endpoint again, at the same address and with everything as it was.
    pub async fn switch_on(&self) -> io::Result<()> {
        let (listener, _) = listen(self.port).await?;
        let server = Server::start(listener, api_router(&self.shared));
        *self.api.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }
    /// Stops the content host alone: connections to it are refused from now on.
    pub fn stop_content_host(&self) {
        self.content.stop();
    }
}

/// Products.
impl StoreSimHandle {
    /// Adds a product, or replaces the one with the same key; it is modified now.
    pub fn put_product(&self, product: Product) {
        self.shared.lock().put(product);
    }
    /// Changes a product, which is modified now; false if there is none.
    pub fn update_product(&self, key: &ProductKey, change: impl FnOnce(&mut Product)) -> bool {
        self.shared.lock().modify(key, |entry| change(&mut entry.product))
    }
    /// Sets the number of seats, also below what is assigned.
    pub fn set_seat_total(&self, key: &ProductKey, seats: u64) -> bool {
        self.update_product(key, |product| product.seat_capacity = seats)
    }
    /// Sets whether the organization has a product: active, shown as removed, or gone without a word.
    pub fn set_ownership(&self, key: &ProductKey, ownership: Ownership) -> bool {
        self.shared
            .lock()
            .modify(key, |entry| entry.ownership = ownership)
    }
    /// The Store never heard of this product. Its seats stay in the ledger.
    pub fn forget_product(&self, key: &ProductKey) -> Option<Product> {
        let entry = self.shared.lock().products.remove(key);
        entry.map(|entry| entry.product)
    }
    /// The products, in the order of their keys.
    pub fn products(&self) -> Vec<Product> {
        let world = self.shared.lock();
        world
            .products
            .values()
            .map(|entry| entry.product.clone())
            .collect()
    }
    /// The next license for this content is another instance.
    pub fn renew_license(&self, key: &ProductKey, content_id: Uuid) {
        self.shared.lock().renew_license(key, content_id);
    }
}

/// Users and seats.
impl StoreSimHandle {
    /// Adds a user to the directory.
    pub fn add_user(&self, upn: &str) {
        self.shared.lock().add_user(upn);
    }
    /// Removes a user, and the user's seats with the account.
    pub fn remove_user(&self, upn: &str) {
        self.shared.lock().remove_user(upn);
    }
    /// Renames a user; the seats are listed under the new name.
    pub fn rename_user(&self, old: &str, new: &str) {
        self.shared.lock().rename_user(old, new);
    }
    /// A seat that was not assigned through the API: claimed in the portal, or by a device.
    pub fn claim_seat(&self, key: &ProductKey, upn: &str) -> Result<SeatRecord, NotClaimed> {
        let not_claimed = |refusal: Refusal| NotClaimed {
            status: refusal.status().as_u16(),
        };
        seats::give(&mut self.shared.lock(), key, upn, true).map_err(not_claimed)
    }
    /// Every seat that there ever was, in the order of products and users.
    pub fn ledger(&self) -> Vec<SeatRecord> {
        self.shared.lock().ledger.all()
    }
    /// The users with an active seat of a product.
    pub fn seat_holders(&self, key: &ProductKey) -> Vec<String> {
        let world = self.shared.lock();
        world.ledger.active_of(key).map(|seat| seat.upn.clone()).collect()
    }
    /// Seats left of a product.
    pub fn available_seats(&self, key: &ProductKey) -> Option<u64> {
        let world = self.shared.lock();
        let entry = world.products.get(key)?;
        Some(world.available(&entry.product))
    }
}

/// Bad days.
impl StoreSimHandle {
    /// Switches a fault on.
    pub fn inject(&self, fault: impl Into<FaultRule>) {
        self.shared.lock().faults.add(fault.into());
    }
    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }
    /// How many counted faults have not happened as often as they should.
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.pending()
    }
    /// Whether the tool is activated in the organization's portal; without that every call is 403.
    pub fn set_activated(&self, activated: bool) {
        self.shared.lock().activated = activated;
    }
    /// No token is good any more.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.revoke_all();
    }
    /// How long tokens are good that are issued from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.shared.lock().config.token_lifetime = lifetime;
    }
    /// Replaces the application's secret.
    pub fn set_client_secret(&self, secret: &str) {
        self.shared.lock().config.client_secret = qm_core::Secret::new(secret.to_owned());
    }
    /// No continuation token is good any more.
    pub fn expire_continuations(&self) {
        self.shared.lock().cursors.expire_all();
    }
    /// No address of a package is good any more.
    pub fn expire_addresses(&self) {
        let mut world = self.shared.lock();
        let now = world.now();
        world.addresses.expire_all(now);
    }
    /// How long addresses are good that are given out from now on.
    pub fn set_address_lifetime(&self, lifetime: Duration) {
        self.shared.lock().config.address_lifetime = lifetime;
    }
}

/// Moments.
impl StoreSimHandle {
    /// Tells every moment to this observer, once and for all.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.observe(observer);
    }
}

/// What was seen.
impl StoreSimHandle {
    /// Every request, in order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().journal.requests.clone()
    }
    /// How often an operation was asked for.
    pub fn count(&self, operation: Operation) -> usize {
        let world = self.shared.lock();
        let requests = world.journal.requests.iter();
        requests
            .filter(|request| request.operation == Some(operation))
            .count()
    }
    /// The most requests that were in flight at once.
    pub fn peak_in_flight(&self) -> usize {
        self.shared.lock().journal.peak_in_flight
    }
    /// What a well-behaved client would not have done.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.lock().journal.violations.clone()
    }
    /// Fails the test if the client misbehaved.
    ///
    /// # Panics
    /// Where there are violations; the text lists them.
    pub fn assert_no_violations(&self) {
        let violations = self.violations();
        let list: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "the client misbehaved:\n{}",
            list.join("\n")
        );
    }
}
