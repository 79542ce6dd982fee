//! Use cases and background work: transactions, leased jobs, retention.
