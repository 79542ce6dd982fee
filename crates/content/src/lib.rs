//! Content-addressed package store with signed, expiring links.
