//! A running server in a test: databases, mock clock, seeded randomness.
