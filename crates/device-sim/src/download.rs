//! Fetches packages as Windows' delivery does: ask for the size, then read in ranges, and accept no change in between.

use crate::{
    Rule,
    http::{BETWEEN_ATTEMPTS, header_text},
    tree::apps::{Download, Fetched},
    violation::Watch,
};
use bytes::{Bytes, BytesMut};
use qm_core::{HResult, Sha256};
use reqwest::{Client, Response, header};
use sha2::Digest as _;
use url::Url;

/// Fetches one file for a package family; the error is what Windows reports.
pub(crate) async fn fetch(
    client: &Client,
    family: &str,
    url: &Url,
    mut patience: u32,
    watch: &mut Watch,
) -> Result<Fetched, HResult> {
    let shown = shown(url);
    let head = loop {
        match checked(client.head(url.clone()).send().await) {
            Err(code) if is_worth_another(code, &mut patience).await => {}
            answered => break answered?,
        }
    };
    let size =
        header_text(head.headers(), &header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let Some(size) = size else {
        watch.note(Rule::Download, format!("HEAD of {shown} tells no Content-Length"));
        return Err(NETWORK_FAILURE);
    };
    if size > MAX_SIZE {
        return Err(DISK_FULL);
    }
    let tag = header_text(head.headers(), &header::ETAG);
    let strong = tag
        .as_deref()
        .is_some_and(|tag| tag.starts_with('"') && tag.len() > 2);
    watch.check(strong, Rule::Download, || {
        format!("{shown} has the entity tag {tag:?}")
    });
    let ranges = header_text(head.headers(), &header::ACCEPT_RANGES);
    watch.check(ranges.as_deref() == Some("bytes"), Rule::Download, || {
        format!("{shown}: Accept-Ranges {ranges:?}")
    });
    let media_type = header_text(head.headers(), &header::CONTENT_TYPE);
    watch.check(media_type.is_some(), Rule::Download, || {
        format!("{shown} has no Content-Type")
    });

    let mut body = BytesMut::new();
    let step = (size / 2).max(MIN_RANGE);
    while u64::try_from(body.len()).is_ok_and(|length| length < size) {
        let from = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let to = (from + step).min(size) - 1;
        let mut request = client
            .get(url.clone())
            .header(header::RANGE, format!("bytes={from}-{to}"));
        if let Some(tag) = tag.as_deref().filter(|_| strong) {
            request = request.header(header::IF_RANGE, tag);
        }
        let part = match checked(request.send().await) {
            Ok(response) => range(response, &shown, (from, to, size), tag.as_deref(), watch).await,
            Err(code) => Err(code),
        };
        match part {
            Err(code) if is_worth_another(code, &mut patience).await => {}
            part => body.extend_from_slice(&part?),
        }
    }
    let bytes = body.freeze();
    let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
    Ok(Fetched {
        download: Download {
            family_name: family.to_owned(),
            url: shown,
            sha256,
            size,
        },
        bytes,
    })
}

/// One range, which has to be exactly what was asked for.
async fn range(
    response: Response,
    shown: &str,
    (from, to, size): (u64, u64, u64),
    tag: Option<&str>,
    watch: &mut Watch,
) -> Result<Bytes, HResult> {
    let status = response.status().as_u16();
    if !watch.check(status == 206, Rule::Download, || {
        format!("{shown}: a range is answered with {status}")
    }) {
        return Err(NO_RANGES);
    }
    let told = header_text(response.headers(), &header::CONTENT_RANGE);
    let wanted = format!("bytes {from}-{to}/{size}");
    watch.check(told.as_deref() == Some(wanted.as_str()), Rule::Download, || {
        format!("{shown}: Content-Range {told:?} instead of `{wanted}`")
    });
    let own = header_text(response.headers(), &header::ETAG);
    watch.check(own.as_deref() == tag, Rule::Download, || {
        format!("{shown}: the entity tag is {own:?} now")
    });
    let bytes = response.bytes().await.map_err(|_| NETWORK_FAILURE)?;
    let length = u64::try_from(bytes.len()).ok();
    if !watch.check(length == Some(to - from + 1), Rule::Download, || {
        format!("{shown}: a range of {length:?} bytes")
    }) {
        return Err(NETWORK_FAILURE);
    }
    Ok(bytes)
}

/// HTTP failures as Windows writes them: the status in the low word.
fn checked(response: Result<Response, reqwest::Error>) -> Result<Response, HResult> {
    let response = response.map_err(|error| {
        if error.is_timeout() {
            TIMED_OUT
        } else {
            CANNOT_CONNECT
        }
    })?;
    let status = response.status();
    if status.is_success() {
        Ok(response)
    } else {
        Err(HResult(0x8019_0000 | u32::from(status.as_u16())))
    }
}

/// Whether a part is asked for once more: the connection failed, and patience is left. Waits a little.
async fn is_worth_another(code: HResult, patience: &mut u32) -> bool {
    if *patience == 0 || ![NETWORK_FAILURE, TIMED_OUT, CANNOT_CONNECT].contains(&code) {
        return false;
    }
    *patience -= 1;
    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    true
}

/// Without the query, which holds the signature.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

const MAX_SIZE: u64 = 512 * 1024 * 1024;
const MIN_RANGE: u64 = 1024;
const NETWORK_FAILURE: HResult = HResult(0x8007_3CF5);
const DISK_FULL: HResult = HResult(0x8007_0070);
const NO_RANGES: HResult = HResult(0x8019_01A0);
const TIMED_OUT: HResult = HResult(0x8007_2EE2);
const CANNOT_CONNECT: HResult = HResult(0x8007_2EFD);
