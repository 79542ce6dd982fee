//! The device certificate authority: issue, verify, fingerprints, key storage.
