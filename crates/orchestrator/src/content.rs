//! Package content for devices, by signed links.

use crate::{Orchestrator, TooManyFailures, attempts::Guess};
use bytes::Bytes;
use futures_util::Stream;
use qm_content::{
    Content, LinkError,
    range::{self, Selection},
};
use qm_core::Sha256;
use std::{io, net::IpAddr, ops::Range};

/// The request headers that decide what is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

/// What a request for content gets.
pub enum Download {
    /// All of it.
    Whole(File),
    /// A range of bytes and the `Content-Range` that names it.
    Part(File, Range<u64>, String),
    /// The client has it already.
    Unchanged(Sha256),
    /// The range lies outside; the `Content-Range` tells the size.
    Unsatisfiable(String),
}

/// Stored content with what belongs into its headers.
pub struct File {
    content: Content,
    /// By the extension of the requested name.
    pub media_type: &'static str,
}

impl File {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.content.size()
    }
    /// The strong validator.
    pub fn etag(&self) -> String {
        range::etag(&self.content.sha256())
    }
    /// The bytes of a range, a chunk at a time.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        self.content.stream(range)
    }
}

/// Why content is not served.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The link was altered or has expired.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Too many altered links came from this address.
    #[error(transparent)]
    TooManyFailures(#[from] TooManyFailures),
    /// The content is not there any more.
    #[error("the content is gone")]
    Gone,
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] qm_content::ContentError),
}

impl Orchestrator {
    /// Checks a link and opens its content. A link that was altered counts as a guess; one that has expired was good.
    pub async fn download(
        &self,
        from: Option<IpAddr>,
        sha256: &str,
        file_name: &str,
        query: &str,
        conditions: Conditions<'_>,
    ) -> Result<Download, DownloadError> {
        let attempt = self.attempt(Guess::Link, from, None)?;
        let verified = self.links.verify(sha256, file_name, query, self.clock.now());
        if verified == Err(LinkError::Altered) {
            attempt.failed();
        }
        let sha256 = verified?;
        if conditions
            .if_none_match
            .is_some_and(|header| range::if_none_match(header, &sha256))
        {
            return Ok(Download::Unchanged(sha256));
        }
        let content = self.content.reader(&sha256).await?.ok_or(DownloadError::Gone)?;
        let file = File {
            content,
            media_type: media_type(file_name),
        };
        let fresh = conditions
            .if_range
            .is_none_or(|header| range::if_range(header, &sha256));
        let wanted = if fresh { conditions.range } else { None };
        let size = file.size();
        Ok(match range::parse(wanted, size) {
            Selection::Whole => Download::Whole(file),
            Selection::Part(part) => {
                let header = range::content_range(&part, size);
                Download::Part(file, part, header)
            }
            Selection::Unsatisfiable => Download::Unsatisfiable(range::unsatisfied_range(size)),
        })
    }
}

fn media_type(file_name: &str) -> &'static str {
    qm_package::PackageFormat::from_file_name(file_name)
        .map_or("application/octet-stream", |f| f.media_type())
}
