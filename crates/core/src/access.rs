//! Who may use the admin API, and the trail of what was done.

use crate::{ApiTokenId, AuditId, Sha256, Timestamp, text_enum};

text_enum! {
    /// What a token may do; each role includes the ones before it.
    pub enum Role {
        /// Read.
        Viewer = "viewer",
        /// Deploy, command, synchronize, enroll.
        Operator = "operator",
        /// Everything, also removing devices.
        Admin = "admin",
    }
}

impl Role {
    /// Whether this role may do what `needed` may.
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}

/// An API token; the token itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Primary key.
    pub id: ApiTokenId,
    /// Name for people and the audit trail.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token's text.
    pub hash: Sha256,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Primary key.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, `system` or `device:<id>`.
    pub actor: String,
    /// What: `deployment.create`, `device.unenroll`, …
    pub action: String,
    /// To what: an id or a name.
    pub object: String,
    /// Particulars as a JSON object, without secrets.
    pub detail: String,
    /// From where: the peer's address.
    pub source: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_the_lower_ones() {
        assert!(Role::Admin.allows(Role::Viewer));
        assert!(Role::Operator.allows(Role::Operator));
        assert!(!Role::Viewer.allows(Role::Operator));
    }
}
