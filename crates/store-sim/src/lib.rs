//! A Store for Business service for development, tests and demonstrations.
