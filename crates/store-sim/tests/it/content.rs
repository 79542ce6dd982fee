use crate::support::{Stage, offline, text};
use qm_store_sim::{Fault, Operation, SimConfig, ViolationKind};
use reqwest::Method;
use std::time::Duration;

#[tokio::test]
async fn a_token_at_the_content_host_is_refused_and_noted() {
    let stage = Stage::demo().await;
    let url = stage.address().await;
    let refused = stage
        .http
        .get(&url)
        .bearer_auth(&stage.token)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
    let violations = stage.sim.violations();
    assert_eq!(violations[0].kind, ViolationKind::CredentialsToContentHost);
    assert!(
        violations[0].to_string().starts_with("GET /f/"),
        "{}",
        violations[0]
    );
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 200);
    let log = format!("{:?} {:?}", stage.sim, stage.sim.requests());
    let signature = url.split("sig=").nth(1).unwrap();
    assert!(
        !log.contains(signature) && !log.contains(&stage.token),
        "the log keeps no secrets"
    );
}

#[tokio::test]
async fn addresses_expire_and_cannot_be_made_up() {
    let stage = Stage::with(SimConfig {
        address_lifetime: Duration::from_secs(2),
        ..SimConfig::default()
    })
    .await;
    let url = stage.address().await;
    assert!(url.contains("exp=1760000002"), "{url}");
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 200);
    let other = url.replace("/f/", "/f/0");
    assert_eq!(stage.http.get(other).send().await.unwrap().status(), 403);
    stage.clock.advance(Duration::from_secs(2));
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 403);
    let fresh = stage.address().await;
    assert_eq!(stage.http.get(&fresh).send().await.unwrap().status(), 200);
    stage.sim.expire_addresses();
    assert_eq!(stage.http.get(&fresh).send().await.unwrap().status(), 403);
    let unsigned = fresh.split('?').next().unwrap();
    assert_eq!(stage.http.get(unsigned).send().await.unwrap().status(), 403);
    stage.sim.set_address_lifetime(Duration::from_mins(1));
    assert!(stage.address().await.contains("exp=1760000062"));
}

#[tokio::test]
async fn downloads_go_on_where_they_stopped() {
    let stage = Stage::demo().await;
    let url = stage.address().await;
    let head = stage.http.head(&url).send().await.unwrap();
    let (length, etag) = (
        head.headers()["content-length"].clone(),
        head.headers()["etag"].clone(),
    );
    let whole = stage.http.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(length, whole.len().to_string().as_str());

    let rest = stage
        .http
        .get(&url)
        .header("Range", "bytes=1000-")
        .header("If-Range", &etag)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(
        rest.headers()["content-range"],
        format!("bytes 1000-{}/{}", whole.len() - 1, whole.len()).as_str()
    );
    assert_eq!(rest.bytes().await.unwrap(), whole[1000..]);

    let changed = stage
        .http
        .get(&url)
        .header("Range", "bytes=1000-")
        .header("If-Range", "\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 200);
    let beyond = stage
        .http
        .get(&url)
        .header("Range", "bytes=99999999-")
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(
        beyond.headers()["content-range"],
        format!("bytes */{}", whole.len()).as_str()
    );
    assert_eq!(stage.http.post(&url).body("").send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn downloads_are_cut_shortened_and_corrupted() {
    let stage = Stage::demo().await;
    let url = stage.address().await;
    let whole = stage.http.get(&url).send().await.unwrap().bytes().await.unwrap();

    stage.sim.inject(Fault::Truncated);
    let mut cut = stage.http.get(&url).send().await.unwrap();
    assert_eq!(cut.content_length(), Some(whole.len() as u64));
    let mut received = Vec::new();
    let broken = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => received.extend(chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken);
    assert_eq!(received, whole[..whole.len() / 2]);

    stage.sim.inject(Fault::Short);
    let short = stage.http.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(short, whole[..whole.len() / 2]);

    stage.sim.inject(Fault::Corrupted);
    let corrupted = stage.http.get(&url).send().await.unwrap().bytes().await.unwrap();
    let different = corrupted.iter().zip(&whole).filter(|(a, b)| a != b).count();
    assert_eq!((corrupted.len(), different), (whole.len(), 1));
}

#[tokio::test]
async fn an_address_can_expire_during_the_download() {
    let stage = Stage::demo().await;
    let url = stage.address().await;
    stage.sim.inject(Fault::ExpiresMidway);
    let begun = stage.http.get(&url).send().await.unwrap();
    let etag = begun.headers()["etag"].clone();
    assert!(begun.bytes().await.is_err());
    assert_eq!(
        stage
            .http
            .get(&url)
            .header("Range", "bytes=5000-")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let fresh = stage.address().await;
    let rest = stage
        .http
        .get(&fresh)
        .header("Range", "bytes=5000-")
        .header("If-Range", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), 206, "the file is the same under its new address");
}

#[tokio::test]
async fn the_content_host_fails_throttles_redirects_and_dies() {
    let stage = Stage::demo().await;
    let url = stage.address().await;
    stage.sim.inject(Fault::status(503).on(Operation::Content));
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 503);
    stage.sim.inject(Fault::Redirect.on(Operation::Content));
    let moved = stage.http.get(&url).send().await.unwrap();
    assert_eq!(moved.status(), 302);
    let elsewhere = text(&moved.headers()["location"].to_str().unwrap().into());
    assert!(elsewhere.starts_with("http://localhost:"), "{elsewhere}");
    assert_eq!(stage.http.get(elsewhere).send().await.unwrap().status(), 200);
    stage.sim.inject(Fault::Drop.on(Operation::Content));
    assert!(stage.http.get(&url).send().await.is_err());
    stage.sim.stop_content_host();
    // The listener goes with its task, which ends at its next turn.
    while !matches!(stage.http.get(&url).send().await, Err(error) if error.is_connect()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage
        .request(Method::GET, &offline("/Packages"))
        .send()
        .await
        .unwrap();
}
