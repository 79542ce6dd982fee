//! Connections for reading that stay at hand. A pool asks every connection that comes back whether it still lives, which
//! costs as much as the read did; these are only asked after a pause or a fault.

use crate::error::DbError;
use sqlx::{Database, Pool, pool::PoolConnection};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The reading connections of one database.
pub(crate) struct Readers<DB: Database> {
    pool: Pool<DB>,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<(PoolConnection<DB>, Instant)>>,
    trusted_for: Option<Duration>,
}

/// A connection on loan.
pub(crate) struct Reader<DB: Database> {
    /// Taken only by `drop`.
    connection: Option<PoolConnection<DB>>,
    readers: Arc<Readers<DB>>,
    sound: bool,
    _permit: OwnedSemaphorePermit,
}

impl<DB: Database> Readers<DB> {
    /// Readers over a pool. After `trusted_for` without use the pool looks after a connection; with `None` it gets every
    /// connection back at once, which it needs where it has other users.
    pub(crate) fn new(pool: Pool<DB>, trusted_for: Option<Duration>) -> Arc<Self> {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let (free, idle) = (Arc::new(Semaphore::new(most)), Mutex::default());
        Arc::new(Self {
            pool,
            free,
            idle,
            trusted_for,
        })
    }

    /// The one used last, as its memory is warm; else one from the pool.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Reader<DB>, DbError> {
        let unavailable = |error| DbError::from_driver("acquire", error);
        let permit = timeout(
            self.pool.options().get_acquire_timeout(),
            Arc::clone(&self.free).acquire_owned(),
        )
        .await
        .map_err(|_| unavailable(sqlx::Error::PoolTimedOut))?
        .map_err(|_| unavailable(sqlx::Error::PoolClosed))?;
        let connection = match self.at_hand() {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(unavailable)?,
        };
        let readers = Arc::clone(self);
        Ok(Reader {
            connection: Some(connection),
            readers,
            sound: true,
            _permit: permit,
        })
    }

    /// Ends all connections, waiting for those on loan.
    pub(crate) async fn close(&self) {
        self.free.close();
        self.lock().clear();
        self.pool.close().await;
    }

    #[cfg(test)]
    pub(crate) const fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    fn at_hand(&self) -> Option<PoolConnection<DB>> {
        let mut idle = self.lock();
        match idle.pop() {
            Some((connection, since)) if self.trusted_for.is_some_and(|time| since.elapsed() <= time) => {
                Some(connection)
            }
            // The others have rested longer still: the pool shall look at them all.
            Some(_) => {
                idle.clear();
                None
            }
            None => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(PoolConnection<DB>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Reader<DB> {
    /// A statement begins; until it has ended well, the connection is not to be trusted.
    pub(crate) const fn begin(&mut self) {
        self.sound = false;
    }

    /// The statement has ended and the connection still speaks.
    pub(crate) const fn end(&mut self) {
        self.sound = true;
    }
}

impl<DB: Database> Drop for Reader<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.sound && self.readers.trusted_for.is_some() && !self.readers.free.is_closed() {
            self.readers.lock().push((connection, Instant::now()));
        }
    }
}

impl<DB: Database> Deref for Reader<DB> {
    type Target = DB::Connection;
    fn deref(&self) -> &DB::Connection {
        self.connection.as_ref().expect("only drop takes the connection")
    }
}
impl<DB: Database> DerefMut for Reader<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.connection.as_mut().expect("only drop takes the connection")
    }
}
