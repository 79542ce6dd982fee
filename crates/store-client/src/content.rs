//! Downloads from the content network: without credentials, resumable, and clear about lapsed addresses.

use crate::{
    StoreClient,
    pace::Pace,
    transport::{cause, header_text},
};
use bytes::Bytes;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use std::time::{Duration, Instant};
use url::Url;

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// 403, 404 or 410: the address has lapsed; ask for another, the same one cannot work again.
    #[error("the download address has lapsed (status {0}); a fresh one is needed")]
    AddressExpired(u16),
    /// The connection broke, or never came about.
    #[error("the download broke off: {0}")]
    Broken(String),
    /// The bytes on offer do not continue those at hand; start over.
    #[error("the file changed since the download began; it has to start over")]
    CannotResume,
    /// Something else than a picture.
    #[error("the file is no picture of a known kind")]
    NotAnImage,
    /// No http or https address.
    #[error("the download address is none")]
    InvalidAddress,
    /// Another status.
    #[error("the content network refuses the download (status {0})")]
    Refused(u16),
    /// More than allowed.
    #[error("the file exceeds {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// 408, 429 or 5xx.
    #[error("the content network is out of order (status {status}); try again later")]
    Unavailable {
        /// The status.
        status: u16,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
}

impl DownloadError {
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            403 | 404 | 410 => Self::AddressExpired(status),
            408 | 429 | 500.. => Self::Unavailable { status, retry_after },
            416 => Self::CannotResume,
            _ => Self::Refused(status),
        }
    }

    /// Whether another attempt, perhaps with a fresh address, may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::AddressExpired(_) | Self::Broken(_) | Self::CannotResume | Self::Unavailable { .. }
        )
    }
}

/// What tells two versions of a file apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validators {
    /// A strong `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// Where an interrupted download stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Bytes at hand.
    pub offset: u64,
    /// Size of the whole file.
    pub total: Option<u64>,
    /// What the first answer said.
    pub validators: Validators,
}

/// A running download.
#[derive(Debug)]
pub struct Download {
    response: Response,
    pace: Pace,
    /// Where its first byte belongs; 0 where the content network starts over although a rest was asked for.
    pub offset: u64,
    /// Size of the whole file, where told.
    pub total: Option<u64>,
    /// To resume with.
    pub validators: Validators,
}

impl StoreClient {
    /// Begins a download, or continues one with the same bytes. Only `http` and `https` addresses; no credentials go
    /// along, as the address carries its own permission.
    pub async fn download(&self, address: &str, resume: Option<&Resume>) -> Result<Download, DownloadError> {
        let mut request = self.content_request(address)?;
        if let Some(resume) = resume.filter(|resume| resume.offset > 0) {
            // Without a validator nothing proves that the rest belongs to the same file.
            let known = &resume.validators;
            let validator = known
                .etag
                .as_ref()
                .or(known.last_modified.as_ref())
                .ok_or(DownloadError::CannotResume)?;
            request = request
                .header(header::RANGE, format!("bytes={}-", resume.offset))
                .header(header::IF_RANGE, validator);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| DownloadError::Broken(cause(error)))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                Download::rest(response, resume.ok_or(DownloadError::CannotResume)?)
            }
            StatusCode::OK => Ok(Download::whole(response)),
            status => Err(DownloadError::of_status(
                status.as_u16(),
                self.retry_after(&response),
            )),
        }
    }

    pub(crate) fn content_request(&self, address: &str) -> Result<RequestBuilder, DownloadError> {
        let url = Url::parse(address.trim()).map_err(|_| DownloadError::InvalidAddress)?;
        // An address with a user name in it would turn into an Authorization header.
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return Err(DownloadError::InvalidAddress);
        }
        // A compressed transfer would make sizes and ranges meaningless.
        Ok(self
            .inner
            .content
            .get(url)
            .header(header::ACCEPT_ENCODING, "identity"))
    }
}

impl Download {
    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, DownloadError> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| DownloadError::Broken(cause(error)))?;
        match &chunk {
            Some(bytes) if !self.pace.keeps_up(Instant::now(), bytes.len()) => Err(DownloadError::Broken(
                "less than a kilobyte a second arrives".to_owned(),
            )),
            _ => Ok(chunk),
        }
    }

    fn whole(response: Response) -> Self {
        Self {
            offset: 0,
            total: response.content_length(),
            validators: validators(&response),
            pace: Pace::new(Instant::now()),
            response,
        }
    }

    fn rest(response: Response, resume: &Resume) -> Result<Self, DownloadError> {
        let range = header_text(&response, &header::CONTENT_RANGE);
        let (offset, total) = range
            .as_deref()
            .and_then(content_range)
            .ok_or(DownloadError::CannotResume)?;
        let told = validators(&response);
        let same = offset == resume.offset
            && agree(resume.total.as_ref(), total.as_ref())
            && agree(resume.validators.etag.as_ref(), told.etag.as_ref())
            && agree(
                resume.validators.last_modified.as_ref(),
                told.last_modified.as_ref(),
            );
        if !same {
            return Err(DownloadError::CannotResume);
        }
        let total = total.or(resume.total);
        Ok(Self {
            response,
            pace: Pace::new(Instant::now()),
            offset,
            total,
            validators: resume.validators.clone(),
        })
    }
}

fn validators(response: &Response) -> Validators {
    Validators {
        etag: header_text(response, &header::ETAG).filter(|etag| !etag.starts_with("W/")),
        last_modified: header_text(response, &header::LAST_MODIFIED),
    }
}

/// Two values agree if neither contradicts the other.
fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// First byte and total of `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_content_ranges() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for text in ["", "bytes */10", "items 1-2/3", "bytes x-9/10"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn statuses_of_the_content_network() {
        for status in [403, 404, 410] {
            assert_eq!(
                DownloadError::of_status(status, None),
                DownloadError::AddressExpired(status)
            );
        }
        for status in [408, 429, 500, 503] {
            assert!(DownloadError::of_status(status, None).is_transient(), "{status}");
        }
        assert!(!DownloadError::of_status(400, None).is_transient());
    }
}
