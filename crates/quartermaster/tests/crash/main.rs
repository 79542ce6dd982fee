//! The server is killed (`SIGKILL`, the real process) again and again while it brings online, offline and uploaded apps to
//! devices and takes them away. Afterwards every promise is checked against the Store's own ledger and the devices' own
//! state.
//!
//! `QUARTERMASTER_CRASH_SEED` repeats the choices of an earlier run: when to kill, what administrators do, which devices
//! are patient. The timing of processes is not repeated. `QUARTERMASTER_CRASH_KILLS` says how often each server is
//! killed; the default suits a test run.

mod administrator;
mod chaos;
mod cues;
mod judge;
mod trap;
mod world;

use anyhow::Result;
use qm_testkit::process::databases;

/// How often the server of each database is killed.
const KILLS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_at_any_moment_keeps_its_promises() -> Result<()> {
    let seed = setting("QUARTERMASTER_CRASH_SEED").unwrap_or_else(|| qm_core::Rng::system().below(1 << 32));
    let kills = setting("QUARTERMASTER_CRASH_KILLS").unwrap_or(KILLS);
    say(&format!(
        "QUARTERMASTER_CRASH_SEED={seed} QUARTERMASTER_CRASH_KILLS={kills}"
    ));
    let runs = databases()
        .await
        .into_iter()
        .map(|database| chaos::run(database, seed, kills));
    for told in futures_util::future::try_join_all(runs).await? {
        say(&told);
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how a test run is repeated or prolonged is no part of a configuration"
)]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(clippy::print_stderr, reason = "a failed run has to tell how it is repeated")]
fn say(text: &str) {
    eprintln!("{text}");
}
