//! `/content/{sha256}/{file name}`: packages and frameworks, by signed links, with ranges.

use crate::later;
use axum::{
    Extension,
    body::Body,
    extract::{ConnectInfo, Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, header, response::Builder};
use qm_orchestrator::{
    Orchestrator,
    content::{Conditions, Download, DownloadError, File},
};
use std::{net::SocketAddr, ops::Range, sync::Arc};

/// Answers GET and HEAD.
pub async fn serve(
    State(orchestrator): State<Arc<Orchestrator>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    Path((sha256, file_name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let conditions = Conditions {
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    let query = query.unwrap_or_default();
    match orchestrator
        .download(
            peer.map(|peer| peer.ip()),
            &sha256,
            &file_name,
            &query,
            conditions,
        )
        .await
    {
        Ok(download) => answer(download, &method),
        Err(error) => refuse(&error),
    }
}

fn answer(download: Download, method: &Method) -> Response {
    match download {
        Download::Whole(file) => {
            let range = 0..file.size();
            send(described(StatusCode::OK, &file), file, range, method)
        }
        Download::Part(file, range, content_range) => {
            let builder =
                described(StatusCode::PARTIAL_CONTENT, &file).header(header::CONTENT_RANGE, content_range);
            send(builder, file, range, method)
        }
        Download::Unchanged(sha256) => (
            StatusCode::NOT_MODIFIED,
            [(header::ETAG, format!("\"{sha256}\""))],
        )
            .into_response(),
        Download::Unsatisfiable(content_range) => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(header::CONTENT_RANGE, content_range)],
        )
            .into_response(),
    }
}

fn described(status: StatusCode, file: &File) -> Builder {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, file.media_type)
        .header(header::ETAG, file.etag())
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CACHE_CONTROL, "private, max-age=86400, immutable")
}

fn send(builder: Builder, file: File, range: Range<u64>, method: &Method) -> Response {
    let builder = builder.header(header::CONTENT_LENGTH, range.end - range.start);
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(file.stream(range))
    };
    builder
        .body(body)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn refuse(error: &DownloadError) -> Response {
    let status = match error {
        DownloadError::Link(_) => StatusCode::FORBIDDEN,
        DownloadError::TooManyFailures(wait) => return later(*wait),
        DownloadError::Gone => StatusCode::NOT_FOUND,
        DownloadError::Read(error) => {
            tracing::error!(%error, "content could not be read");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    (status, error.to_string()).into_response()
}
