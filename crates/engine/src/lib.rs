//! The rules of Quartermaster as pure functions: what a management session answers, how a deployment's
//! target moves, which package fits a device, what changed in the catalogue.
//!
//! What it is not: no database, no network, no clock of its own. The callers (`qm-orchestrator`,
//! `qm-store-sync`) read what a decision needs, ask, and store the answer.
//!
//! Start with [`session`]: [`session::receive`] turns a device's message into [`session::Fact`]s and
//! statuses, [`session::reply`] turns the work that is due into the next message. Then [`deployment`]:
//! one function for each thing that can happen to a target. [`applicability`] chooses packages.

pub mod applicability;
pub mod catalogue;
pub mod circuit;
pub mod clocks;
pub mod deployment;
pub mod session;
