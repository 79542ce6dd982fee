//! Use cases and background work of the server: they read what a decision needs, ask `qm-engine`, store the answer
//! in one transaction, and enqueue what has to be done outside it.
//!
//! What it is not: it speaks no HTTP and knows no SQL text. Rules are in `qm-engine`, statements in `qm-db`.
//!
//! Start with [`Orchestrator`]. A device's message goes through [`checkin`], an administrator's wish through
//! [`deployments`]; [`worker`] carries out leased jobs: seats, downloads, synchronization, deadlines, retention.

pub mod access;
pub mod apps;
mod attempts;
pub mod audit;
pub mod checkin;
mod clocks;
pub mod commands;
pub mod content;
pub mod deployments;
pub mod devices;
pub mod enroll;
mod error;
pub mod exchanges;
pub mod groups;
pub mod idempotency;
mod last_seen;
mod materials;
mod outage;
mod seats;
pub mod store;
pub mod tokens;
pub mod uploads;
pub mod worker;

pub use access::Caller;
pub use attempts::TooManyFailures;
pub use enroll::EnrollError;
pub use error::UseCaseError;

use qm_content::{ContentStore, LinkSigner};
use qm_core::{Clock, DeviceId, FailureLimit, Rng};
use qm_db::Db;
use qm_pki::CertificateAuthority;
use qm_store_sync::StoreSync;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Everything the use cases work with.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The package store.
    pub content: ContentStore,
    /// Signs links to packages.
    pub links: LinkSigner,
    /// Issues device certificates.
    pub authority: CertificateAuthority,
    /// The Store service, where one is configured.
    pub store: Option<StoreSync>,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
    /// Addresses, sizes and times.
    pub settings: Settings,
}

/// Addresses, sizes and times that the use cases need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Enrollment and content, without a trailing slash: `https://host:8443`.
    pub enrollment_url: String,
    /// Management, without a trailing slash: `https://host:8444`.
    pub management_url: String,
    /// Admin, without a trailing slash: `https://host:9443`.
    pub admin_url: String,
    /// The largest upload in bytes.
    pub upload_bytes: u64,
    /// How long a link to a package works.
    pub link_life: Duration,
    /// How many management messages are kept for each device.
    pub exchanges_per_device: u32,
    /// How long a server that is silent keeps the jobs it has under way, on a database that it shares.
    pub lease: Duration,
    /// How long finished work is kept.
    pub history: Duration,
    /// How long the audit trail is kept.
    pub audit_history: Duration,
    /// How many wrong credentials, tokens or link signatures of each kind may come from one address in ten minutes; 0:
    /// any number.
    pub failed_attempts_per_address: u32,
    /// How many wrong enrollment credentials may name one user in ten minutes; 0: any number.
    pub failed_attempts_per_user: u32,
    /// How long devices are kept that have left.
    pub device_history: Duration,
    /// How long finished deployments are kept.
    pub deployment_history: Duration,
}

/// How many refused messages of one device, for one reason, are logged in ten minutes; all are counted.
const REFUSALS_LOGGED: u32 = 5;

/// The use cases. One for each server process, shared by its listeners and its worker.
pub struct Orchestrator {
    pub(crate) db: Db,
    pub(crate) content: ContentStore,
    pub(crate) links: LinkSigner,
    pub(crate) authority: CertificateAuthority,
    pub(crate) store: Option<StoreSync>,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) settings: Settings,
    pub(crate) last_seen: last_seen::LastSeen,
    pub(crate) outages: outage::Outages,
    /// The server is about to stop.
    stopping: AtomicBool,
    pub(crate) lookups: checkin::lookup::Lookups,
    pub(crate) line: checkin::shared::Line,
    pub(crate) attempts: attempts::Attempts,
    /// Refused management messages of late, so that they do not fill the log.
    pub(crate) refusals: FailureLimit<(&'static str, Option<DeviceId>)>,
    /// Wakes the worker when a job was enqueued.
    pub(crate) wake: worker::Wake,
}

impl Orchestrator {
    /// Puts the parts together. Nothing runs until [`worker`] is started.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            db,
            content,
            links,
            authority,
            store,
            clock,
            rng,
            settings,
        } = parts;
        let last_seen = last_seen::LastSeen::default();
        let outages = outage::Outages::default();
        let refusals = FailureLimit::new(REFUSALS_LOGGED, Duration::from_mins(10));
        let attempts = attempts::Attempts::new(&settings);
        let wake = worker::Wake::default();
        let lookups = checkin::lookup::Lookups::new();
        let line = checkin::shared::Line::new(&db);
        Arc::new(Self {
            db,
            content,
            links,
            authority,
            store,
            clock,
            rng,
            settings,
            last_seen,
            outages,
            stopping: AtomicBool::new(false),
            lookups,
            line,
            attempts,
            refusals,
            wake,
        })
    }

    /// From now on the server does not count as ready, though it serves whoever still comes.
    pub fn begin_to_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is about to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The present moment.
    pub fn now(&self) -> qm_core::Timestamp {
        self.clock.now()
    }

    /// A fresh id for one exchange with a device, for logs and faults.
    pub fn activity_id(&self) -> uuid::Uuid {
        qm_core::id::uuid_v7(self.clock.now(), &self.rng)
    }

    /// The certificate of the CA that issues device certificates, DER.
    pub fn device_ca(&self) -> rustls_pki_types::CertificateDer<'static> {
        self.authority.certificate().clone()
    }

    /// Where devices reach enrollment and content.
    pub fn enrollment_url(&self) -> &str {
        &self.settings.enrollment_url
    }

    /// The database.
    pub const fn database(&self) -> &Db {
        &self.db
    }
}
