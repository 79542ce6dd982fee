//! The Quartermaster server and its command-line client.
fn main() {}
