//! Answers that reach clients who still send: what is left of a request that was answered early is read and thrown away
//! for a while. A connection that is closed while its client sends is reset, and the answer is lost with it.

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody as _},
    extract::Request,
    middleware::Next,
    response::Response,
};
use futures_util::{Stream, StreamExt as _};
use http::Version;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, time::timeout};

/// Lets no body be dropped half-read on a connection that it is the only one on.
pub(crate) async fn linger(request: Request, next: Next) -> Response {
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let lingering = |body: Body| Body::from_stream(Lingering(Some(body.into_data_stream())));
    next.run(request.map(lingering)).await
}

/// A body; empty once it has ended.
struct Lingering(Option<BodyDataStream>);

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = body.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(timeout(LINGER, drain(rest)));
        }
    }
}

async fn drain(mut rest: BodyDataStream) {
    while let Some(Ok(_)) = rest.next().await {}
}

/// Clients that read while they send have the answer long before; others have this long to finish.
const LINGER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, middleware, routing};
    use futures_util::stream;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tower::ServiceExt as _;

    /// How many pieces are read of a body that the handler does not care for.
    async fn read(version: Version) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let pieces = stream::iter(0..100).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, axum::Error>(Bytes::from_static(b"piece"))
        });
        let routes = Router::new()
            .route("/", routing::post(async || http::StatusCode::CONFLICT))
            .layer(middleware::from_fn(linger));
        let mut request = Request::post("/").body(Body::from_stream(pieces)).unwrap();
        *request.version_mut() = version;
        assert_eq!(routes.oneshot(request).await.unwrap().status(), 409);
        // The only other task has all it needs and runs to its end at once.
        tokio::task::yield_now().await;
        read.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_is_left_of_a_request_is_read_unless_its_stream_can_end_alone() {
        assert_eq!(read(Version::HTTP_11).await, 100);
        assert_eq!(read(Version::HTTP_2).await, 0);
    }
}
