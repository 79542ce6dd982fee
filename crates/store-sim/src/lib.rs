//! A Store for Business management service for development, tests and demonstrations.
//!
//! [`StoreSim::start`] serves, on the loopback interface: the token endpoint, the twelve operations with their paging,
//! seats, licenses and packages, and a content host on a port of its own. It knows its own catalogue, users
//! and seats ([`catalogue::demo`] makes a small catalogue of real packages), answers the way the documentation has
//! it, and can be told to have bad days ([`Fault`]).
//!
//! It is also a judge. Whatever a well-behaved client does not do is noted: see [`StoreSimHandle::violations`], and
//! [`StoreSimHandle::requests`] for everything that was asked.
//!
//! What it is not: it shares no code with the server that it tests, on purpose, and it is no proxy: nothing leaves
//! the machine. The packages it makes install nowhere, for they are not signed.
//!
//! Start with [`SimConfig`] and [`StoreSimHandle`]. Inside, a request passes `front`, becomes a `Call` in
//! `operation`, and is carried out in `service` on the `world`; `content` is the other host.

pub mod appx;
pub mod catalogue;
mod config;
mod content;
pub mod fault;
mod front;
mod handle;
mod ids;
mod journal;
mod ledger;
mod observer;
mod operation;
mod page;
mod png;
mod refusal;
mod server;
mod service;
mod shape;
mod token;
mod world;
mod xml;

pub use catalogue::{Product, ProductKey};
pub use config::{Bound, MissingLanguage, SimConfig};
pub use fault::{EndOfList, Fault, FaultRule, Loss, RetryAfter};
pub use handle::{NotClaimed, StoreSim, StoreSimHandle};
pub use journal::{RequestRecord, Violation, ViolationKind};
pub use ledger::{SeatRecord, SeatState};
pub use observer::{Moment, Observer};
pub use operation::Operation;
pub use token::TokenError;
pub use world::Ownership;
