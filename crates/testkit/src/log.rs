//! What the server logs, kept for a test to look at.

use std::{
    io,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// The log of this process from the first call on.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<u8>>);

/// Keeps what is logged from now on, at every level that `filter` names, one JSON object a line.
pub fn keep(filter: &str) -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(Log::default);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(log);
    // Of several tests in one process the first has its way.
    let _ = subscriber.try_init();
    log
}

impl Log {
    /// The lines so far that hold this text.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        let kept = self.kept();
        String::from_utf8_lossy(&kept)
            .lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for &'static Log {
    type Writer = &'static Log;
    fn make_writer(&'a self) -> &'static Log {
        self
    }
}

impl io::Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
