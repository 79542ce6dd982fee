//! When a connection last did something worth its place.

use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Requests and replies of one connection; shared by whoever serves it and whoever may have to close it. Bytes alone are
/// no activity: a client that trickles them does not keep its place.
#[derive(Debug)]
pub struct Activity {
    begun: Instant,
    /// Milliseconds from the beginning to the last request, answer or part of a reply.
    last: AtomicU64,
    answering: AtomicUsize,
}

impl Activity {
    /// From now on.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            answering: AtomicUsize::new(0),
        }
    }

    /// For how long nothing has happened; `None` while a request is being answered.
    pub fn quiet(&self) -> Option<Duration> {
        if self.answering.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        Some(self.begun.elapsed().saturating_sub(last))
    }

    /// Ends once nothing has happened for so long.
    pub async fn quiet_for(&self, limit: Duration) {
        loop {
            match self.quiet() {
                Some(quiet) if quiet >= limit => return,
                Some(quiet) => sleep(limit.saturating_sub(quiet)).await,
                None => sleep(limit).await,
            }
        }
    }

    /// A request is being answered until the guard is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn touch(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Activity>);

impl Answering {
    /// The reply's body; its parts are activity as the client takes them.
    pub fn reply<B>(self, body: B) -> Reply<B> {
        Reply {
            body,
            activity: Arc::clone(&self.0),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.touch();
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body on its way to the client.
#[derive(Debug)]
pub struct Reply<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B: Body + Unpin> Body for Reply<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.activity.touch();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Without it the reply would go out in chunks, which devices do not take.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_requests_keep_it() {
        let activity = Arc::new(Activity::new());
        sleep(LIMIT / 2).await;
        drop(activity.answering());
        let from = Instant::now();
        activity.quiet_for(LIMIT).await;
        assert_eq!(from.elapsed(), LIMIT, "counted from the last request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_answered_is_not_silence() {
        let activity = Arc::new(Activity::new());
        let answering = activity.answering();
        sleep(10 * LIMIT).await;
        assert_eq!(activity.quiet(), None);
        let reply = answering.reply(axum::body::Body::from("whole"));
        assert_eq!(reply.size_hint().exact(), Some(5));
        assert_eq!(activity.quiet(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn each_part_that_the_client_takes_is_activity() {
        use futures_util::{StreamExt as _, stream};
        let activity = Arc::new(Activity::new());
        let parts = stream::iter(["a", "b"]).map(Ok::<_, std::convert::Infallible>);
        let mut reply = activity.answering().reply(axum::body::Body::from_stream(parts));
        for _ in 0..2 {
            sleep(LIMIT / 2).await;
            let frame = std::future::poll_fn(|cx| Pin::new(&mut reply).poll_frame(cx)).await;
            assert!(frame.unwrap().unwrap().is_data());
            assert_eq!(activity.quiet(), Some(Duration::ZERO));
        }
    }
}
