//! Each command's request, and what people see of the answer.

use super::{
    ask,
    fake::{Fake, Seen, empty, ok, once, page},
};
use crate::client::ClientError;
use http::header;
use serde_json::{Value, json};

const ID: &str = "0190b6a0-0000-7000-8000-000000000001";
const OTHER: &str = "0190b6a0-0000-7000-8000-000000000002";
const APP: &str = "0190b6a0-0000-7000-8000-0000000000aa";

fn device() -> Value {
    json!({
        "id": ID, "name": "LAP-1", "upn": "ada@example.com", "state": "enrolled",
        "enrollment": { "kind": "full", "at": "2026-05-01T08:00:00Z" },
        "os_version": "10.0.26100.1", "manufacturer": "Contoso", "model": null, "hardware_id": "HW1",
        "last_seen_at": "2026-05-02T09:30:00Z",
        "certificate": { "thumbprint": "AB12", "not_after": "2027-05-01T08:00:00Z" }, "architecture": "x64",
    })
}

fn deployment() -> Value {
    json!({
        "id": ID, "app_id": APP, "intent": "required", "context": "device", "state": "active",
        "counts": { "queued": 1, "installed": 2 }, "created_at": "2026-05-01T08:00:00Z",
    })
}

fn app() -> Value {
    json!({
        "id": APP, "name": "Notes", "publisher": "Contoso", "source": "store", "license": "online",
        "store": { "product_id": "9NBLGG", "sku_id": "0016" }, "package_family_name": "Contoso.Notes_8wekyb3d8bbwe",
        "seats": { "total": 10, "assigned": 3, "available": 7 }, "icon_url": null, "state": "available",
        "packages": [{ "sha256": null, "file_name": "notes.msix", "version": "1.2.0.0", "architecture": "x64",
            "size": 1234, "downloaded": false, "role": "main" }],
    })
}

#[tokio::test]
async fn every_request_carries_the_token() {
    let (seen, _) = once("devices list", page(&json!([]), None)).await;
    assert_eq!(seen.headers[header::AUTHORIZATION], "Bearer t0ken");
}

#[tokio::test]
async fn an_address_may_have_a_path() {
    let fake = Fake::with([page(&json!([]), None)]).await;
    ask(&format!("{}/mdm/", fake.url), "audit list").await.unwrap();
    assert_eq!(fake.requests(), ["GET /mdm/api/v1/audit?limit=100"]);
}

#[tokio::test]
async fn lists_devices() {
    let list = "devices list --upn ada@example.com --state enrolled --q lap";
    let (seen, shown) = once(list, page(&json!([device()]), None)).await;
    assert_eq!(
        seen.request,
        "GET /api/v1/devices?upn=ada%40example.com&state=enrolled&q=lap&limit=100"
    );
    assert_eq!(
        shown.data.unwrap(),
        "ID                                    NAME   USER             STATE     WINDOWS       MODEL  LAST SEEN\n\
         0190b6a0-0000-7000-8000-000000000001  LAP-1  ada@example.com  enrolled  10.0.26100.1  -      2026-05-02T09:30:00Z"
    );
}

#[tokio::test]
async fn shows_a_device() {
    let (seen, shown) = once(&format!("devices show {ID}"), ok(&device())).await;
    assert_eq!(seen.request, format!("GET /api/v1/devices/{ID}"));
    assert_eq!(
        shown.data.unwrap(),
        "Id            0190b6a0-0000-7000-8000-000000000001\n\
         Name          LAP-1\n\
         User          ada@example.com\n\
         State         enrolled\n\
         Enrolled      2026-05-01T08:00:00Z (full)\n\
         Last seen     2026-05-02T09:30:00Z\n\
         Windows       10.0.26100.1\n\
         Architecture  x64\n\
         Manufacturer  Contoso\n\
         Model         -\n\
         Hardware id   HW1\n\
         Certificate   AB12, until 2027-05-01T08:00:00Z"
    );
}

#[tokio::test]
async fn a_device_name_cannot_play_with_the_terminal() {
    let mut device = device();
    device["name"] = json!("\u{1b}]0;x\u{7}LAP\n\u{202e}1");
    let (_, shown) = once("devices list", page(&json!([device]), None)).await;
    let data = shown.data.unwrap();
    assert_eq!(data.lines().count(), 2);
    assert!(data.contains("\u{fffd}]0;x\u{fffd}LAP \u{fffd}1"), "{data}");
}

#[tokio::test]
async fn lists_the_apps_of_a_device() {
    let app = json!({ "package_family_name": "Contoso.Notes_8wekyb3d8bbwe", "version": "1.2.0.0", "context": "user",
        "package_full_name": "Contoso.Notes_1.2.0.0_x64__8wekyb3d8bbwe" });
    let (seen, shown) = once(&format!("devices apps {ID}"), page(&json!([app]), None)).await;
    assert_eq!(seen.request, format!("GET /api/v1/devices/{ID}/apps?limit=100"));
    assert_eq!(
        shown.data.unwrap(),
        "FAMILY NAME                  VERSION  CONTEXT  SOURCE  USERS\n\
         Contoso.Notes_8wekyb3d8bbwe  1.2.0.0  user     -       -"
    );
}

#[tokio::test]
async fn unenrolls_politely_or_by_force() {
    let (seen, shown) = once(&format!("devices unenroll {ID}"), empty(202)).await;
    assert_eq!(seen.request, format!("DELETE /api/v1/devices/{ID}"));
    assert_eq!(shown.data, None);
    assert_eq!(
        shown.notes,
        ["The device will be told to leave when it calls in next."]
    );
    let (seen, shown) = once(&format!("devices unenroll {ID} --force"), empty(202)).await;
    assert_eq!(seen.request, format!("DELETE /api/v1/devices/{ID}?force=true"));
    assert_eq!(
        shown.notes,
        ["The device is shut out: its certificate opens nothing any more."]
    );
}

#[tokio::test]
async fn shows_both_sides_of_an_exchange() {
    let exchange = json!({ "id": ID, "at": "2026-05-02T09:30:00Z", "session_id": "7", "msg_id": 2,
        "request": "<SyncML>\n  <Final/>\n</SyncML>", "response": "<SyncML/>" });
    let (_, shown) = once(
        &format!("devices exchanges {ID} --limit 1"),
        page(&json!([exchange]), None),
    )
    .await;
    assert_eq!(
        shown.data.unwrap(),
        "2026-05-02T09:30:00Z  session 7, message 2\n  device\n    <SyncML>\n      <Final/>\n    </SyncML>\n  \
         server\n    <SyncML/>"
    );
}

#[tokio::test]
async fn lists_apps() {
    let (seen, shown) = once("apps list --license online", page(&json!([app()]), None)).await;
    assert_eq!(seen.request, "GET /api/v1/apps?license=online&limit=100");
    assert_eq!(
        shown.data.unwrap(),
        "ID                                    NAME   SOURCE  LICENSE  SEATS    STATE      FAMILY NAME\n\
         0190b6a0-0000-7000-8000-0000000000aa  Notes  store   online   3 of 10  available  Contoso.Notes_8wekyb3d8bbwe"
    );
}

#[tokio::test]
async fn shows_an_app_with_its_packages() {
    let (_, shown) = once(&format!("apps show {APP}"), ok(&app())).await;
    assert_eq!(
        shown.data.unwrap(),
        "Id           0190b6a0-0000-7000-8000-0000000000aa\n\
         Name         Notes\n\
         Publisher    Contoso\n\
         Family name  Contoso.Notes_8wekyb3d8bbwe\n\
         Source       store\n\
         Store        product 9NBLGG, SKU 0016\n\
         License      online\n\
         Seats        3 of 10\n\
         State        available\n\
         \n\
         Packages\n\
         FILE        ROLE  VERSION  ARCHITECTURE  BYTES  HERE  SHA256\n\
         notes.msix  main  1.2.0.0  x64           1234   no    -"
    );
}

#[tokio::test]
async fn makes_and_fills_groups() {
    let group = json!({ "id": ID, "name": "Sales", "members": [OTHER] });
    let (seen, _) = once("groups create Sales", ok(&group)).await;
    assert_eq!(
        (seen.request.as_str(), seen.json()),
        ("POST /api/v1/groups", json!({ "name": "Sales" }))
    );
    let (seen, shown) = once(&format!("groups members {ID} {OTHER}"), ok(&group)).await;
    assert_eq!(seen.request, format!("PUT /api/v1/groups/{ID}/members"));
    assert_eq!(seen.json(), json!({ "device_ids": [OTHER] }));
    assert_eq!(
        shown.data.unwrap(),
        format!("Id       {ID}\nName     Sales\nMembers  {OTHER}")
    );
    let (seen, _) = once(&format!("groups members {ID} --none"), ok(&group)).await;
    assert_eq!(seen.json(), json!({ "device_ids": [] }));
}

#[tokio::test]
async fn deploys_with_a_key() {
    let line = format!(
        "deployments create --app {APP} --intent required --context device --device {ID} --device {OTHER} \
         --upn ada@example.com --idempotency-key k-1"
    );
    let (seen, shown) = once(&line, ok(&deployment())).await;
    assert_eq!(seen.request, "POST /api/v1/deployments");
    assert_eq!(seen.headers["idempotency-key"], "k-1");
    assert_eq!(
        seen.json(),
        json!({ "app_id": APP, "intent": "required", "context": "device",
            "targets": { "device_ids": [ID, OTHER], "upns": ["ada@example.com"] } })
    );
    assert_eq!(
        shown.data.unwrap(),
        "Id       0190b6a0-0000-7000-8000-000000000001\n\
         App      0190b6a0-0000-7000-8000-0000000000aa\n\
         Intent   required\n\
         Context  device\n\
         State    active\n\
         Created  2026-05-01T08:00:00Z\n\
         Targets  2 installed, 1 queued"
    );
}

#[tokio::test]
async fn does_not_wait_for_an_offer() {
    let line =
        format!("deployments create --app {APP} --intent available --context user --group {ID} --wait");
    let fake = Fake::with([]).await;
    assert!(matches!(
        ask(&fake.url, &line).await,
        Err(ClientError::WaitForOffer)
    ));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn plans_without_deploying() {
    let plan = json!({
        "targets": 2, "not_applicable": [{ "device_id": OTHER, "reason": "needs arm64" }], "seats_needed": 1,
        "seats_available": null, "bytes_per_device": 2048,
        "commands": [
            { "verb": "add", "uri": "./Vendor/A", "data": null },
            { "verb": "exec", "uri": "./Vendor/B", "data": "<Application\n id=\"x\"/>" },
        ],
    });
    let line = format!("deployments plan --app {APP} --intent required --context user --group {ID}");
    let (seen, shown) = once(&line, ok(&plan)).await;
    assert_eq!(seen.request, "POST /api/v1/deployments/plan");
    assert_eq!(seen.json()["targets"], json!({ "group_ids": [ID] }));
    assert_eq!(
        shown.data.unwrap(),
        "Devices           2\n\
         Not applicable    1\n\
         Seats needed      1\n\
         Seats available   -\n\
         Bytes per device  2048\n\
         \n\
         Not applicable\n\
         DEVICE                                REASON\n\
         0190b6a0-0000-7000-8000-000000000002  needs arm64\n\
         \n\
         Commands for one of the devices\n\
         add ./Vendor/A\n\
         exec ./Vendor/B\n    \
             <Application\n     id=\"x\"/>"
    );
}

#[tokio::test]
async fn controls_deployments() {
    for verb in ["pause", "resume", "cancel", "retry"] {
        let (seen, _) = once(&format!("deployments {verb} {ID}"), ok(&deployment())).await;
        assert_eq!(seen.request, format!("POST /api/v1/deployments/{ID}/{verb}"));
    }
    let (seen, shown) = once("deployments list", page(&json!([deployment()]), None)).await;
    assert_eq!(seen.request, "GET /api/v1/deployments?limit=100");
    assert!(
        shown
            .data
            .unwrap()
            .ends_with("required  device   active  2026-05-01T08:00:00Z  2 installed, 1 queued")
    );
    let (seen, _) = once(&format!("deployments show {ID}"), ok(&deployment())).await;
    assert_eq!(seen.request, format!("GET /api/v1/deployments/{ID}"));
}

#[tokio::test]
async fn lists_targets_with_their_errors() {
    let target = json!({
        "id": OTHER, "device_id": ID, "upn": "ada@example.com", "state": "failed", "attempts": 3,
        "error": { "code": "0x80070070", "text": "The disk is full.", "advice": "Free some space." },
        "updated_at": "2026-05-01T08:00:00Z",
    });
    let (seen, shown) = once(
        &format!("deployments targets {ID} --state failed"),
        page(&json!([target]), None),
    )
    .await;
    assert_eq!(
        seen.request,
        format!("GET /api/v1/deployments/{ID}/targets?state=failed&limit=100")
    );
    assert_eq!(
        shown.data.unwrap(),
        "DEVICE                                USER             STATE   ATTEMPTS  UPDATED               ERROR\n\
         0190b6a0-0000-7000-8000-000000000001  ada@example.com  failed  3         2026-05-01T08:00:00Z  \
         0x80070070: The disk is full. Free some space."
    );
}

#[tokio::test]
async fn asks_the_store() {
    let (seen, shown) = once("store sync", ok(&json!({ "id": ID }))).await;
    assert_eq!(seen.request, "POST /api/v1/store/sync");
    assert_eq!(shown.data.as_deref(), Some(ID));
    let status = json!({ "state": "failed", "last_success_at": null, "last_error": "no route", "products": 4,
        "seats_assigned": 7,
        "circuit": { "state": "open", "since": "2026-01-02T03:04:05Z", "retry_at": null, "reason": "no route" } });
    let (_, shown) = once("store status", ok(&status)).await;
    assert_eq!(
        shown.data.unwrap(),
        "State           failed\nLast success    -\nLast error      no route\nProducts        4\nSeats assigned  7\n\
         Circuit         open\nSince           2026-01-02T03:04:05Z\nAsked again     -\nBecause         no route"
    );
}

#[tokio::test]
async fn queues_commands_with_data_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.xml");
    std::fs::write(&file, "<enabled/>\n").unwrap();
    let line = format!(
        "commands create --device {ID} replace ./Vendor/X --format xml --type text/plain --data-file {}",
        file.display()
    );
    let (seen, shown) = once(&line, ok(&json!({ "id": OTHER, "state": "queued" }))).await;
    assert_eq!(seen.request, format!("POST /api/v1/devices/{ID}/commands"));
    assert_eq!(
        seen.json(),
        json!({ "verb": "replace", "uri": "./Vendor/X", "format": "xml", "type": "text/plain", "data": "<enabled/>\n" })
    );
    assert_eq!(shown.data.as_deref(), Some(OTHER));
}

#[tokio::test]
async fn a_data_file_must_be_text_and_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blob");
    let fake = Fake::with([]).await;
    let line = format!(
        "commands create --device {ID} add ./Vendor/X --data-file {}",
        file.display()
    );
    assert!(matches!(
        ask(&fake.url, &line).await,
        Err(ClientError::File { .. })
    ));
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(matches!(
        ask(&fake.url, &line).await,
        Err(ClientError::NotText(_))
    ));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn shows_what_came_of_a_command() {
    let command = json!({
        "id": OTHER, "verb": "get", "uri": "./DevDetail/SwV", "state": "done", "status": 200,
        "results": [{ "uri": "./DevDetail/SwV", "format": "chr", "data": "10.0.26100.1" }],
        "created_at": "2026-05-01T08:00:00Z", "sent_at": "2026-05-01T08:01:00Z", "finished_at": "2026-05-01T08:01:01Z",
    });
    let (seen, shown) = once(&format!("commands show --device {ID} {OTHER}"), ok(&command)).await;
    assert_eq!(seen.request, format!("GET /api/v1/devices/{ID}/commands/{OTHER}"));
    assert_eq!(
        shown.data.unwrap(),
        "Id        0190b6a0-0000-7000-8000-000000000002\n\
         Verb      get\n\
         URI       ./DevDetail/SwV\n\
         State     done\n\
         Status    200\n\
         Created   2026-05-01T08:00:00Z\n\
         Sent      2026-05-01T08:01:00Z\n\
         Finished  2026-05-01T08:01:01Z\n\
         \n\
         Results\n\
         URI              FORMAT  DATA\n\
         ./DevDetail/SwV  chr     10.0.26100.1"
    );
}

#[tokio::test]
async fn lists_commands_with_what_they_wait_for() {
    let command = json!({
        "id": OTHER, "verb": "get", "uri": "./User/X", "state": "queued", "waiting_for": "user_sign_in",
        "status": null, "results": [], "created_at": "2026-05-01T08:00:00Z", "sent_at": null, "finished_at": null,
    });
    let (_, shown) = once(
        &format!("commands list --device {ID}"),
        page(&json!([command]), None),
    )
    .await;
    assert!(
        shown
            .data
            .unwrap()
            .contains("queued (user_sign_in)  -       2026-05-01T08:00:00Z  -")
    );
}

#[tokio::test]
async fn an_enrollment_token_stands_alone_on_stdout() {
    let line = "enrollment-tokens create --upn ada@example.com --max-uses 2 --expires-in-seconds 600";
    let created = json!({ "id": ID, "token": "ABCD-EFGH" });
    let (seen, shown) = once(line, ok(&created)).await;
    assert_eq!(
        seen.json(),
        json!({ "upn": "ada@example.com", "max_uses": 2, "expires_in_seconds": 600 })
    );
    assert_eq!(shown.data.as_deref(), Some("ABCD-EFGH"));
    assert!(shown.notes[0].contains("password of ada@example.com"));
    let (_, shown): (Seen, _) = once(&format!("{line} --output json"), ok(&created)).await;
    assert_eq!(
        serde_json::from_str::<Value>(&shown.data.unwrap()).unwrap(),
        created
    );
    assert!(shown.notes.is_empty());
}

#[tokio::test]
async fn lists_the_audit_trail() {
    let entries = json!([
        { "id": ID, "at": "2026-05-01T08:00:00Z", "actor": "ci", "action": "deployment.create", "object": "deployment:1",
          "detail": { "targets": 2 }, "source": "192.0.2.7" },
        { "id": OTHER, "at": "2026-05-01T08:00:01Z", "actor": "system", "action": "store.sync", "object": "store",
          "detail": {}, "source": null },
    ]);
    let (_, shown) = once("audit list", page(&entries, None)).await;
    assert_eq!(
        shown.data.unwrap(),
        "AT                    ACTOR   ACTION             OBJECT        SOURCE     DETAIL\n\
         2026-05-01T08:00:00Z  ci      deployment.create  deployment:1  192.0.2.7  {\"targets\":2}\n\
         2026-05-01T08:00:01Z  system  store.sync         store         -          -"
    );
}
