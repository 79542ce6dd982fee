//! Reads .appx, .msix and their bundles: identity, dependencies, hashes.
