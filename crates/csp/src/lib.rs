//! LocURIs, DDF trees, command builders and result readers for Windows CSPs.
