//! Keeps statements from waiting for a PostgreSQL server that is not there any more: a host that vanished closes no
//! connection, so the statement alone would never notice.

use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// Looks after statements that take long.
pub(crate) struct Watch {
    options: PgConnectOptions,
    /// When the server was asked last, and whether it lived. Whoever asks holds the lock, for all who wait.
    asked: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// When a connection was found broken.
    broken: Mutex<Option<Instant>>,
}

impl Watch {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self {
            options,
            asked: tokio::sync::Mutex::default(),
            broken: Mutex::default(),
        }
    }

    /// Waits for a statement as long as the server lives, however long it takes.
    pub(crate) async fn over<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        tokio::pin!(statement);
        loop {
            tokio::select! {
                biased;
                result = &mut statement => return result,
                () = sleep(PATIENCE) => {}
            }
            tokio::select! {
                biased;
                result = &mut statement => return result,
                alive = self.alive() => if !alive {
                    return Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }

    async fn alive(&self) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((at, alive)) = *asked
            && at.elapsed() < PATIENCE
        {
            return alive;
        }
        // Whatever the server itself says, it lives.
        let alive = matches!(self.ask().await, Ok(()) | Err(sqlx::Error::Database(_)));
        *asked = Some((Instant::now(), alive));
        alive
    }

    /// Asks the server on a connection of its own; its error tells best why there is no other.
    pub(crate) async fn ask(&self) -> Result<(), sqlx::Error> {
        let asked = timeout(ANSWER, async {
            let mut connection = self.options.connect().await?;
            connection.ping().await?;
            connection.close().await
        });
        asked.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// A connection is broken: others of its age may be so too.
    pub(crate) fn found_broken(&self) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection was found broken since the moment that lies so far back.
    pub(crate) fn broke_within(&self, past: Duration) -> bool {
        let broken = *self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.is_some_and(|at| at.elapsed() <= past)
    }
}

/// How long a statement may take before the server is asked whether it lives.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take to answer that.
const ANSWER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A host that takes connections and says nothing.
    async fn silent_host() -> (TcpListener, Watch) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port);
        (listener, Watch::new(options))
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_is_given_up_when_its_server_says_nothing() {
        let (_listener, watch) = silent_host().await;
        let given_up = watch.over(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(given_up, Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_that_ends_in_time_asks_nobody() {
        let (listener, watch) = silent_host().await;
        let slow = async {
            sleep(PATIENCE / 2).await;
            Ok(7)
        };
        assert!(matches!(watch.over(slow).await, Ok(7)));
        let nobody = timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(nobody.is_err());
    }
}
