use crate::support::{Stage, inventory, offline, online_key, seat};
use qm_store_sim::{Operation, SimConfig, ViolationKind};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn kinds(stage: &Stage) -> Vec<ViolationKind> {
    stage
        .sim
        .violations()
        .into_iter()
        .map(|violation| violation.kind)
        .collect()
}

#[tokio::test]
async fn a_post_without_a_length_is_411() {
    let stage = Stage::demo().await;
    let address = stage
        .sim
        .authority_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST /V1{} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nAuthorization: bearer {}\r\nConnection: close\r\n\r\n",
        seat("ann"),
        stage.token
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 411 "), "{answer}");
    assert_eq!(kinds(&stage), [ViolationKind::LengthMissing]);
    assert!(stage.sim.ledger().is_empty());
}

#[tokio::test]
async fn the_wire_conventions_are_judged() {
    let stage = Stage::demo().await;
    let bare = stage
        .http
        .get(format!("{}/Inventory", stage.sim.base_url()))
        .bearer_auth(&stage.token);
    assert_eq!(bare.send().await.unwrap().status(), 200);
    let with_body = stage.request(Method::POST, &seat("ann")).body("{}");
    assert_eq!(with_body.send().await.unwrap().status(), 200);
    stage.get("/Inventory?top=5").await.ok();
    assert_eq!(stage.get("/Inventory?continuationToken=").await.status, 400);
    assert_eq!(stage.get("/Catalogue").await.status, 404);
    assert_eq!(stage.delete("/Inventory").await.status, 405);
    assert_eq!(
        kinds(&stage),
        [
            ViolationKind::AcceptMissing,
            ViolationKind::UnexpectedBody,
            ViolationKind::UnknownParameter("top".to_owned()),
            ViolationKind::EmptyParameter("continuationtoken".to_owned()),
            ViolationKind::UnknownOperation,
            ViolationKind::UnknownOperation,
        ]
    );
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.sim.assert_no_violations()));
    assert!(judged.is_err());
}

#[tokio::test]
async fn calls_without_a_good_token_are_401() {
    let mut stage = Stage::demo().await;
    let anonymous = stage
        .http
        .get(format!("{}/Inventory", stage.sim.base_url()))
        .send()
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
    "invented".clone_into(&mut stage.token);
    for answer in [
        stage.get("/Inventory").await,
        stage.post(&seat("ann")).await,
        stage.delete(&seat("ann")).await,
    ] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body["code"], "Unauthorized");
    }
}

#[tokio::test]
async fn the_log_tells_what_was_asked_when() {
    let stage = Stage::demo().await;
    stage.get("/Inventory?maxResults=5").await.ok();
    stage.get(&inventory("/Nothing")).await;
    let log = stage.sim.requests();
    let rows: Vec<_> = log
        .iter()
        .map(|row| (row.operation, row.method.as_str(), row.query.as_str(), row.status))
        .collect();
    assert_eq!(
        rows,
        [
            (Some(Operation::Token), "POST", "", Some(200)),
            (Some(Operation::Inventory), "GET", "maxResults=5", Some(200)),
            (None, "GET", "", Some(404)),
        ]
    );
    assert_eq!(log[1].path, "/V1/Inventory");
    assert_eq!(log[1].at, stage.clock.now());
    assert_eq!(stage.sim.peak_in_flight(), 1);
}

#[tokio::test]
async fn base_paths_are_configured_and_compare_without_case() {
    let stage = Stage::with(SimConfig {
        base_path: "/mts/V1".to_owned(),
        ..SimConfig::default()
    })
    .await;
    assert!(stage.sim.base_url().ends_with("/mts/V1"));
    stage.get("/Inventory").await.ok();
    let lower = format!("{}/mts/v1/Inventory", stage.sim.authority_url());
    let request = stage
        .http
        .get(lower)
        .header("Accept", "application/json")
        .bearer_auth(&stage.token);
    assert_eq!(request.send().await.unwrap().status(), 200);
    for elsewhere in ["/V1/Inventory", "/mts/V1Inventory", "/"] {
        let url = format!("{}{elsewhere}", stage.sim.authority_url());
        assert_eq!(
            stage.http.get(url).send().await.unwrap().status(),
            404,
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn concurrent_assignments_never_exceed_the_seats() {
    let stage = Stage::with(SimConfig {
        everyone_exists: true,
        ..SimConfig::default()
    })
    .await;
    let paths: Vec<_> = (0..20).map(|number| seat(&format!("user{number}"))).collect();
    let requests = paths.iter().map(|path| stage.post(path));
    let answers = futures_util::future::join_all(requests).await;
    let given = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(given, 3);
    assert_eq!(stage.sim.available_seats(&online_key()), Some(0));
    assert!(stage.sim.peak_in_flight() <= 20);
}

#[tokio::test]
async fn a_stopped_service_refuses_connections() {
    let stage = Stage::demo().await;
    stage.get(&offline("")).await.ok();
    let url = format!("{}/Inventory", stage.sim.base_url());
    stage.sim.stop().await;
    assert!(stage.http.get(url).send().await.unwrap_err().is_connect());
}
