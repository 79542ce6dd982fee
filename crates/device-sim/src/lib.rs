//! Simulated Windows devices, well and badly behaved.
