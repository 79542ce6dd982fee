use super::*;
use crate::{DownloadError, Resume, Validators};

const FILE: &[u8] = b"0123456789";

/// A content network with one file of ten bytes that honours ranges.
fn file(seen: &Seen, etag: &str) -> Reply {
    let range = seen
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match range.and_then(|first| first.parse::<usize>().ok()) {
        Some(first) if seen.header("if-range") == Some(etag) => Reply::new(206, &FILE[first..])
            .with("content-range", format!("bytes {first}-9/10"))
            .with("etag", etag),
        _ => Reply::new(200, FILE).with("etag", etag),
    }
}

async fn read(
    client: &StoreClient,
    url: &str,
    resume: Option<&Resume>,
) -> Result<(u64, Vec<u8>), DownloadError> {
    let mut download = client.download(url, resume).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok((download.offset, bytes))
}

fn resume(etag: Option<&str>) -> Resume {
    let validators = Validators {
        etag: etag.map(str::to_owned),
        last_modified: None,
    };
    Resume {
        offset: 4,
        total: Some(10),
        validators,
    }
}

#[tokio::test]
async fn downloads_carry_no_credentials() {
    let service = Service::with_token(|seen, _| match seen.target.as_str() {
        "/moved" => Reply::new(302, "").with("location", "/file?sig=1"),
        _ => file(seen, "\"v1\""),
    })
    .await;
    let client = service.client();
    let mut backoff = crate::backoff::Backoff::new(client.retry, &client.inner.rng);
    client.bearer(&mut backoff).await.unwrap();
    assert_eq!(
        read(&client, &service.url("/moved"), None).await,
        Ok((0, FILE.to_vec()))
    );
    let calls = service.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(
            (call.header("authorization"), call.header("referer")),
            (None, None)
        );
        assert_eq!(call.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn resumes_only_the_same_file() {
    let service = Service::start(|seen, _| match seen.target.as_str() {
        "/lies" => Reply::new(206, "6789").with("content-range", "bytes 6-9/10"),
        "/longer" => Reply::new(206, "456789a").with("content-range", "bytes 4-10/11"),
        "/bare" => Reply::new(206, "456789"),
        "/beyond" => Reply::new(416, ""),
        _ => file(seen, "\"v1\""),
    })
    .await;
    let client = service.client();
    let known = resume(Some("\"v1\""));
    assert_eq!(
        read(&client, &service.url("/f"), Some(&known)).await,
        Ok((4, b"456789".to_vec()))
    );
    let changed = resume(Some("\"v0\""));
    assert_eq!(
        read(&client, &service.url("/f"), Some(&changed)).await,
        Ok((0, FILE.to_vec()))
    );
    assert_eq!(
        read(&client, &service.url("/f"), Some(&resume(None))).await,
        Err(DownloadError::CannotResume)
    );
    for path in ["/lies", "/longer", "/bare", "/beyond"] {
        let result = read(&client, &service.url(path), Some(&known)).await;
        assert_eq!(result, Err(DownloadError::CannotResume), "{path}");
    }
}

#[tokio::test]
async fn tells_lapsed_addresses_from_other_failures() {
    let service = Service::start(|seen, _| match seen.target.as_str() {
        "/403" => Reply::new(403, ""),
        "/410" => Reply::new(410, ""),
        "/503" => Reply::new(503, "").with("retry-after", "7"),
        _ => Reply::new(200, "0123").cut(),
    })
    .await;
    let client = service.client();
    assert_eq!(
        read(&client, &service.url("/403"), None).await,
        Err(DownloadError::AddressExpired(403))
    );
    assert_eq!(
        read(&client, &service.url("/410"), None).await,
        Err(DownloadError::AddressExpired(410))
    );
    let busy = DownloadError::Unavailable {
        status: 503,
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(read(&client, &service.url("/503"), None).await, Err(busy));
    let cut = read(&client, &service.url("/cut?sig=hush"), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&cut, DownloadError::Broken(text) if !text.contains("hush")),
        "{cut}"
    );
    for bad in ["", "file:///etc/passwd", "http://me:pw@127.0.0.1/"] {
        assert_eq!(
            read(&client, bad, None).await,
            Err(DownloadError::InvalidAddress),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn fetches_pictures_of_a_sane_size() {
    let service = Service::start(|seen, _| match seen.target.as_str() {
        "/logo" => Reply::new(200, b"\x89PNG\r\n\x1a\n1234".as_slice()).with("content-type", "text/plain"),
        "/page" => Reply::new(200, "<html>").with("content-type", "image/png"),
        "/big" => Reply::new(200, vec![0; (2 << 20) + 1]),
        _ => Reply::new(404, ""),
    })
    .await;
    let client = service.client();
    assert_eq!(
        client.image(&service.url("/logo")).await.unwrap().media_type,
        "image/png"
    );
    assert_eq!(
        client.image(&service.url("/page")).await,
        Err(DownloadError::NotAnImage)
    );
    assert_eq!(
        client.image(&service.url("/big")).await,
        Err(DownloadError::TooLarge { limit: 2 << 20 })
    );
    assert_eq!(
        client.image(&service.url("/none")).await,
        Err(DownloadError::AddressExpired(404))
    );
}
