//! How a simulated service is set up.

use crate::catalogue::Product;
use http::StatusCode;
use qm_core::{Clock, Rng, Secret};
use std::time::Duration;

/// Everything that can be chosen before the start; the default suits most tests.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Port of the API and the token endpoint on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Port of the content host on 127.0.0.1; 0 takes a free one.
    pub content_port: u16,
    /// Path below which the operations are, compared without case.
    pub base_path: String,
    /// The organization's directory.
    pub tenant_id: String,
    /// The management tool's application id.
    pub client_id: String,
    /// Its secret. The default has every character that needs encoding in a form.
    pub client_secret: Secret<String>,
    /// The audience that tokens are for.
    pub resource: String,
    /// How long tokens are good.
    pub token_lifetime: Duration,
    /// Whether the first version of the token endpoint writes its numbers as numbers.
    pub token_numbers: bool,
    /// How long addresses of packages are good.
    pub address_lifetime: Duration,
    /// How long continuation tokens are good.
    pub continuation_lifetime: Duration,
    /// Largest page of the inventory; the real one is not documented.
    pub inventory_page_limit: usize,
    /// Which entries `modifiedSince` includes.
    pub modified_since: Bound,
    /// What happens to languages that a product does not have.
    pub missing_language: MissingLanguage,
    /// The status for "no seats left", which is not documented.
    pub no_seats_status: StatusCode,
    /// Answers 404, as was observed, where the documentation wants 409 for a license of an online-licensed product.
    pub online_license_is_not_found: bool,
    /// The products at the start.
    pub products: Vec<Product>,
    /// The users at the start.
    pub users: Vec<String>,
    /// Every well-formed user name is that of a user.
    pub everyone_exists: bool,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where tokens and ids come from.
    pub rng: Rng,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            port: 0,
            content_port: 0,
            base_path: "/V1".to_owned(),
            tenant_id: "3f6cf3b4-7a0d-4a52-9b3c-7f5b0f6f2f10".to_owned(),
            client_id: "b1c5a0de-52c2-4f0c-8f53-5f0a5e0e7a21".to_owned(),
            client_secret: Secret::new("tide~3+Qk/9vZ==&x".to_owned()),
            resource: "https://onestore.microsoft.com".to_owned(),
            token_lifetime: Duration::from_secs(4271),
            token_numbers: false,
            address_lifetime: Duration::from_mins(10),
            continuation_lifetime: Duration::from_hours(1),
            inventory_page_limit: 1000,
            modified_since: Bound::Inclusive,
            missing_language: MissingLanguage::Fallback,
            no_seats_status: StatusCode::CONFLICT,
            online_license_is_not_found: false,
            products: Vec::new(),
            users: Vec::new(),
            everyone_exists: false,
            clock: Clock::system(),
            rng: Rng::system(),
        }
    }
}

/// Whether a bound belongs to what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It does.
    Inclusive,
    /// It does not.
    Exclusive,
}

/// What the service does about a language that a product does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingLanguage {
    /// It delivers another, and says so.
    Fallback,
    /// It answers 404.
    NotFound,
}
