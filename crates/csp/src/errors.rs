//! What HRESULTs of app deployment and SyncML statuses mean, for people and for the retry rules.

mod hresult;
mod status;

pub use hresult::explain;
pub use status::explain_status;

/// An error in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The symbolic name.
    pub name: &'static str,
    /// What happened.
    pub text: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// Whether trying again helps.
    pub class: RetryClass,
}

/// Whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// Passes by itself: try again later.
    Transient,
    /// The goal is reached already; let the inventory confirm it.
    Satisfied,
    /// Somebody has to change a setting, a certificate or an entitlement first.
    Configuration,
    /// Will not work with this package on this device.
    Permanent,
    /// Worth one more try with a command built afresh (new links, new dependencies), not more.
    RepairOnce,
}

const fn row(class: RetryClass, name: &'static str, text: &'static str, advice: &'static str) -> Explanation {
    Explanation {
        name,
        text,
        advice,
        class,
    }
}
