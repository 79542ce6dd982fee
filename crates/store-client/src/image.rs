//! Artwork: small, and a picture by its first bytes, not by what its server says.

use crate::{
    DownloadError, StoreClient,
    answer::{self, Body},
    transport::cause,
};
use bytes::Bytes;
use std::time::Duration;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub bytes: Bytes,
    /// `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/bmp`.
    pub media_type: &'static str,
}

impl StoreClient {
    /// Fetches artwork without credentials, up to [`MAX_IMAGE_BYTES`].
    pub async fn image(&self, address: &str) -> Result<Image, DownloadError> {
        let request = self.content_request(address)?.timeout(TIMEOUT);
        let sent = request.send().await;
        let mut response = sent.map_err(|error| DownloadError::Broken(cause(error)))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err(DownloadError::of_status(status, self.retry_after(&response)));
        }
        match answer::read_body(&mut response, MAX_IMAGE_BYTES).await {
            Body::Whole(body) => {
                let media_type = media_type(&body).ok_or(DownloadError::NotAnImage)?;
                Ok(Image {
                    bytes: body.into(),
                    media_type,
                })
            }
            Body::TooLarge => Err(DownloadError::TooLarge {
                limit: MAX_IMAGE_BYTES as u64,
            }),
            Body::Broken(error) => Err(DownloadError::Broken(cause(error))),
        }
    }
}

/// The type of a picture; pictures that could carry scripts are none.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        () if begins(b"\xff\xd8\xff") => Some("image/jpeg"),
        () if begins(b"GIF87a") || begins(b"GIF89a") => Some("image/gif"),
        () if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some("image/webp"),
        () if begins(b"BM") && bytes.len() > 26 => Some("image/bmp"),
        () => None,
    }
}

/// The largest picture that is fetched.
pub const MAX_IMAGE_BYTES: usize = 2 << 20;
const TIMEOUT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_pictures_by_their_first_bytes() {
        let table: [(&[u8], Option<&str>); 6] = [
            (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"<svg onload='x()'/>", None),
            (b"", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(media_type(bytes), expected, "{bytes:?}");
        }
    }
}
