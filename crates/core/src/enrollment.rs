//! Enrollment tokens.

use crate::{EnrollmentTokenId, Sha256, Timestamp};

/// A token that lets one user enroll devices. Only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentToken {
    /// Primary key.
    pub id: EnrollmentTokenId,
    /// The only user who may use it, in lower case.
    pub upn: String,
    /// SHA-256 of the token's text.
    pub hash: Sha256,
    /// How many devices it enrolls.
    pub max_uses: i64,
    /// How many it has enrolled.
    pub uses: i64,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}
