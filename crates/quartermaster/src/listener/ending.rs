//! How a server ends without breaking anything off.

use http::{HeaderValue, Response, Version, header::CONNECTION};
use std::time::Duration;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

/// For how long a connection that was accepted may wait to ask its first question when the server stops.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How a server ends: first it sends connections elsewhere, then it accepts no more of them.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Replies carry `Connection: close`, so that the next message can go to another server.
    pub send_elsewhere: CancellationToken,
    /// No connection is accepted; those that are there end when their requests are answered.
    pub stop: CancellationToken,
}

impl Ending {
    /// The server stops, and the connection had its chance to ask: an idle one would be closed under its first request.
    pub async fn stopping(&self, asked: &Notify) {
        self.stop.cancelled().await;
        let _ = timeout(FIRST_REQUEST, asked.notified()).await;
    }

    /// Over HTTP/2 the connection's own goodbye says the same.
    pub fn last_here<B>(&self, mut response: Response<B>, version: Version) -> Response<B> {
        if version <= Version::HTTP_11 && self.send_elsewhere.is_cancelled() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }
}
