//! Messages that have to be stored wait in line and share commits.

use crate::{
    admin::server::{Server, servers},
    device::TestDevice,
};
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use qm_core::{DeviceId, PageRequest, device::DeviceState};
use qm_db::{Engine, devices, sessions};
use qm_orchestrator::{checkin::CheckInError, commands::Request, devices::Filter};
use qm_syncml::Message;
use tokio::sync::Notify;

/// The eight that a commit shall hold under load at least, those who are served already, and some more.
const FLEET: u32 = 12;

async fn fleet(server: &Server) -> Vec<TestDevice> {
    let mut devices = Vec::new();
    for n in 0..FLEET {
        let upn = format!("user{n}@fabrik.example");
        let mut device = TestDevice::enroll(server, &upn, &format!("DEVICE-{n}")).await;
        device.session = 1;
        devices.push(device);
    }
    devices
}

async fn states(server: &Server) -> Vec<(String, DeviceId, DeviceState)> {
    let page = server
        .orchestrator
        .devices(Filter::default(), PageRequest::first(100))
        .await
        .unwrap();
    let mut found: Vec<_> = page
        .items
        .into_iter()
        .map(|seen| (seen.device.dm_id, seen.device.id, seen.device.state))
        .collect();
    found.sort();
    found
}

async fn id_of(server: &Server, device: &TestDevice) -> DeviceId {
    let all = states(server).await;
    all.into_iter()
        .find(|(dm_id, ..)| *dm_id == device.dm_id)
        .unwrap()
        .1
}

/// Sends the first message of each device while nobody can be served. Two come first and take what can be served at a
/// time; the others wait together behind them. The device that `quits` hangs up before it is served.
async fn call_at_once(
    server: &Server,
    devices: &[TestDevice],
    quits: Option<usize>,
) -> Vec<Option<Result<Message, CheckInError>>> {
    let ids: Vec<_> = states(server).await.into_iter().map(|(_, id, _)| id).collect();
    let mut holder = server.db.begin("test").await.unwrap();
    devices::lock(&mut holder, &ids).await.unwrap();
    let hangs_up = Notify::new();
    let release = async {
        waiting(server, devices.len()).await;
        hangs_up.notify_one();
        settle().await;
        holder.commit().await.unwrap();
    };
    let calls = devices.iter().enumerate().map(|(place, device)| {
        let hangs_up = &hangs_up;
        async move {
            waiting(server, place.min(2)).await;
            settle().await;
            tokio::select! {
                answer = call(server, device) => Some(answer),
                () = hangs_up.notified(), if quits == Some(place) => None,
            }
        }
    });
    tokio::join!(join_all(calls), release).0
}

async fn waiting(server: &Server, messages: usize) {
    while server.orchestrator.waiting_messages() < messages {
        tokio::task::yield_now().await;
    }
}

/// Lets every task go as far as it can: on one thread, each of them has its turn before this one goes on.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn call(server: &Server, device: &TestDevice) -> Result<Message, CheckInError> {
    let answer = device.post(server, &device.first(vec![])).await?;
    let id = id_of(server, device).await;
    let mut conn = server.db.read().await.unwrap();
    let session = format!("{:X}", device.session);
    let stored = sessions::find(&mut conn, id, &session).await.unwrap();
    assert!(stored.is_some(), "no reply leaves before its commit");
    Ok(answer)
}

fn failed(answers: &[Option<Result<Message, CheckInError>>]) -> Vec<usize> {
    let failed = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| matches!(answer, Some(Err(_))));
    failed.map(|(place, _)| place).collect()
}

/// Lets the database refuse every change of a table's rows that a condition holds for.
async fn refuse(server: &Server, event: &str, table: &str, condition: &str) {
    let statements = match server.db.engine() {
        Engine::Sqlite => vec![format!(
            "CREATE TRIGGER refuse BEFORE {event} ON {table} WHEN {condition} \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )],
        Engine::Postgres => vec![
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
                .to_owned(),
            format!(
                "CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) \
                 EXECUTE FUNCTION refuse()"
            ),
        ],
    };
    for statement in statements {
        server.db.execute_raw(&statement).await.unwrap();
    }
}

async fn provisional(server: &Server) -> Vec<String> {
    let all = states(server).await.into_iter();
    all.filter(|(.., state)| *state == DeviceState::Provisional)
        .map(|(dm_id, ..)| dm_id)
        .collect()
}

#[tokio::test]
async fn messages_that_wait_together_share_a_commit() {
    for server in servers().await {
        let devices = fleet(&server).await;
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let recording = metrics::set_default_local_recorder(&recorder);
        let answers = call_at_once(&server, &devices, None).await;
        drop(recording);
        assert_eq!(failed(&answers), [0; 0], "{}: {answers:?}", server.engine);
        assert_eq!(provisional(&server).await, [""; 0], "{}", server.engine);
        let text = metrics.render();
        let largest = text
            .lines()
            .find_map(|line| line.strip_prefix("device_messages_per_commit{quantile=\"1\"} "))
            .unwrap();
        assert!(
            largest.parse::<f64>().unwrap() >= 8.0,
            "{}: {text}",
            server.engine
        );
    }
}

#[tokio::test]
async fn a_message_that_fails_harms_none_of_its_commit() {
    for server in servers().await {
        let devices = fleet(&server).await;
        refuse(&server, "UPDATE", "commands", "NEW.uri = './Vendor/MSFT/Bad'").await;
        let wanted = Request {
            verb: "get".into(),
            uri: "./Vendor/MSFT/Bad".into(),
            ..Request::default()
        };
        let bad = id_of(&server, &devices[5]).await;
        server
            .orchestrator
            .queue_command(&server.caller, bad, wanted)
            .await
            .unwrap();
        let answers = call_at_once(&server, &devices, None).await;
        assert_eq!(failed(&answers), [5], "{}: {answers:?}", server.engine);
        assert_eq!(
            provisional(&server).await,
            ["DEVICE-5"],
            "nothing of its turn is stored"
        );
    }
}

#[tokio::test]
async fn when_the_commit_cannot_be_shared_each_message_gets_its_own() {
    for server in servers().await {
        let mut devices = fleet(&server).await;
        devices[7].session = 0xBAD;
        refuse(&server, "INSERT", "exchanges", "NEW.session_id = 'BAD'").await;
        let answers = call_at_once(&server, &devices, None).await;
        assert_eq!(failed(&answers), [7], "{}: {answers:?}", server.engine);
        assert_eq!(provisional(&server).await, ["DEVICE-7"]);
    }
}

#[tokio::test]
async fn a_device_that_hangs_up_while_it_waits_is_not_served_and_holds_up_nobody() {
    for server in servers().await {
        let devices = fleet(&server).await;
        let answers = call_at_once(&server, &devices, Some(9)).await;
        assert_eq!(failed(&answers), [0; 0], "{}: {answers:?}", server.engine);
        assert!(answers[9].is_none());
        assert_eq!(provisional(&server).await, ["DEVICE-9"], "{}", server.engine);
    }
}
