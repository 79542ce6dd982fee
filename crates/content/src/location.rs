//! The `content.url` setting.

use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};

/// Why a `content.url` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Another kind of store than a folder.
    #[error(
        "content.url has the scheme `{scheme}:`, which this version cannot store in; use a folder: `file:content` or `file:///srv/content`"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// Not an address, or without a path.
    #[error("content.url is `{0}`, which names no folder; write `file:content` or `file:///srv/content`")]
    NoFolder(String),
    /// A `file:` address on another machine.
    #[error("content.url is on the host `{0}`; mount that folder here and name where it is")]
    OtherHost(String),
}

/// The folder that a URL names: `file:relative` (to `base`), `file:/absolute` or `file:///absolute`.
pub fn folder(url: &str, base: &Path) -> Result<PathBuf, LocationError> {
    let no_folder = || LocationError::NoFolder(url.to_owned());
    let (scheme, rest) = url.split_once(':').ok_or_else(no_folder)?;
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(LocationError::Scheme {
            scheme: scheme.to_owned(),
        });
    }
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(authority) => {
            let (host, _) = authority.split_once('/').ok_or_else(no_folder)?;
            if !host.is_empty() && host != "localhost" {
                return Err(LocationError::OtherHost(host.to_owned()));
            }
            &authority[host.len()..]
        }
    };
    let path = percent_decode_str(path).decode_utf8().map_err(|_| no_folder())?;
    if path.is_empty() {
        return Err(no_folder());
    }
    Ok(base.join(path.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_name_folders() {
        for (url, path) in [
            ("file:content", "/etc/qm/content"),
            ("FILE:./a b/c%20d", "/etc/qm/./a b/c d"),
            ("file:/srv/content", "/srv/content"),
            ("file:///srv/content", "/srv/content"),
            ("file://localhost/srv/100%", "/srv/100%"),
        ] {
            assert_eq!(
                folder(url, Path::new("/etc/qm")),
                Ok(PathBuf::from(path)),
                "{url}"
            );
        }
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        let error = |url: &str| folder(url, Path::new("/")).unwrap_err();
        assert_eq!(
            error("s3://bucket/prefix"),
            LocationError::Scheme {
                scheme: "s3".to_owned()
            }
        );
        assert_eq!(
            error("file://nas/share"),
            LocationError::OtherHost("nas".to_owned())
        );
        for url in ["", "content", "file:", "file://", "file://host", "file:%ff"] {
            assert_eq!(error(url), LocationError::NoFolder(url.to_owned()));
        }
    }
}
