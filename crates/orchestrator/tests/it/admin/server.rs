//! A server without listeners, and how tests fill its database.

use qm_content::{ContentStore, LinkSigner};
use qm_core::{
    AppId, Architecture, Clock, DeploymentId, DeviceId, PackageId, PageRequest, Rng, SeatId, Secret, Sha256,
    TargetId, Timestamp, Version,
    access::Role,
    app::{App, AppSource, AppState, LicenseKind, OfflineLicense, Package, PackageRole},
    deployment::{Context, Deployment, DeploymentState, Intent, Target, TargetState},
    device::{CertificateState, Device, DeviceCertificate, DeviceState, EnrollmentKind},
    job::JobKind,
    seat::{Seat, SeatState},
};
use qm_db::{Db, test_support::test_databases};
use qm_orchestrator::{
    Caller, Orchestrator, Parts, Settings, UseCaseError,
    access::create_api_token,
    apps::AppDetail,
    uploads::{Part, Upload},
};
use qm_store_sync::StoreSync;
use std::{sync::Arc, time::Duration};

pub const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);
pub const UPLOAD_LIMIT: u64 = 64 * 1024;
pub const DAY: Duration = Duration::from_hours(24);

/// A server without listeners on one database.
pub struct Server {
    pub engine: &'static str,
    pub orchestrator: Arc<Orchestrator>,
    pub db: Db,
    pub clock: Clock,
    pub rng: Rng,
    pub content: ContentStore,
    pub caller: Caller,
    _folder: tempfile::TempDir,
}

pub async fn servers() -> Vec<Server> {
    let mut servers = Vec::new();
    for (engine, db) in test_databases().await {
        servers.push(server(engine, db).await);
    }
    servers
}

pub async fn server(engine: &'static str, db: Db) -> Server {
    server_at(engine, db, Clock::mock(NOW), |_, _, _| None).await
}

/// A server with this clock and, where one is made, a Store.
pub async fn server_at(
    engine: &'static str,
    db: Db,
    clock: Clock,
    store: impl FnOnce(ContentStore, Db, Clock) -> Option<StoreSync>,
) -> Server {
    server_with(engine, db, clock, Rng::seeded(11), store).await
}

/// Another server on a database that has one needs other randomness.
pub async fn server_with(
    engine: &'static str,
    db: Db,
    clock: Clock,
    rng: Rng,
    store: impl FnOnce(ContentStore, Db, Clock) -> Option<StoreSync>,
) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let content = ContentStore::open(folder.path()).await.unwrap();
    let settings = Settings {
        enrollment_url: "https://mdm.example.com:8443".to_owned(),
        management_url: "https://mdm.example.com:8444".to_owned(),
        admin_url: "https://mdm.example.com:9443".to_owned(),
        upload_bytes: UPLOAD_LIMIT,
        link_life: DAY,
        exchanges_per_device: 40,
        lease: Duration::from_secs(3),
        history: 30 * DAY,
        audit_history: 365 * DAY,
        failed_attempts_per_address: 5,
        failed_attempts_per_user: 3,
        device_history: 90 * DAY,
        deployment_history: 365 * DAY,
    };
    let orchestrator = Orchestrator::new(Parts {
        db: db.clone(),
        content: content.clone(),
        links: LinkSigner::new(Secret::new([3; 32])),
        authority: qm_pki::CertificateAuthority::generate("Test devices", NOW, &rng).unwrap(),
        store: store(content.clone(), db.clone(), clock.clone()),
        clock: clock.clone(),
        rng: rng.clone(),
        settings,
    });
    let token = create_api_token(&db, &clock, &rng, "ops", Role::Admin)
        .await
        .unwrap();
    let source = Some([192, 0, 2, 7].into());
    let caller = orchestrator
        .authenticate(token.expose(), source)
        .await
        .unwrap()
        .unwrap();
    Server {
        engine,
        orchestrator,
        db,
        clock,
        rng,
        content,
        caller,
        _folder: folder,
    }
}

impl Server {
    /// The newest lines of the audit trail: action and object.
    pub async fn trail(&self) -> Vec<(String, String)> {
        let page = self
            .orchestrator
            .audit_trail(PageRequest::first(50))
            .await
            .unwrap();
        page.items
            .into_iter()
            .map(|entry| (entry.action, entry.object))
            .collect()
    }

    pub async fn device(&self, name: &str, upn: &str) -> Device {
        let now = self.clock.now();
        let device = Device {
            id: DeviceId::new(now, &self.rng),
            state: DeviceState::Active,
            end_reason: None,
            dm_id: format!("urn:uuid:{name}"),
            hardware_id: format!("HW-{name}"),
            name: name.to_owned(),
            upn: upn.to_owned(),
            kind: EnrollmentKind::Device,
            enrolled_at: now,
            ended_at: None,
            os_version: Some(Version([10, 0, 26100, 1])),
            manufacturer: None,
            model: Some("Rowan 3".to_owned()),
            architecture: Some(Architecture::X64),
            last_seen_at: None,
            inventory_at: None,
            settings_at: None,
            apps_read_at: None,
            user_apps_read_at: None,
            apps_due: false,
            details: [].into(),
        };
        let certificate = DeviceCertificate {
            fingerprint: Sha256(self.rng.bytes()),
            device_id: device.id,
            thumbprint: "AB".repeat(20),
            public_key: Sha256(self.rng.bytes()),
            not_before: now,
            not_after: now + 365 * DAY,
            state: CertificateState::Active,
        };
        let mut tx = self.db.begin("test").await.unwrap();
        qm_db::devices::insert(&mut tx, &device).await.unwrap();
        qm_db::certificates::insert(&mut tx, &certificate).await.unwrap();
        tx.commit().await.unwrap();
        device
    }

    pub async fn app(&self, name: &str, license: LicenseKind) -> App {
        let now = self.clock.now();
        let app = App {
            id: AppId::new(now, &self.rng),
            name: name.to_owned(),
            publisher: None,
            description: None,
            source: AppSource::Store,
            license,
            state: AppState::Available,
            product_id: Some(format!("9N{name}")),
            sku_id: Some("0016".to_owned()),
            package_family_name: Some(format!("{name}_0000000000000")),
            seats: None,
            icon: None,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.db.begin("test").await.unwrap();
        qm_db::apps::insert(&mut tx, &app).await.unwrap();
        tx.commit().await.unwrap();
        app
    }

    /// An offline-licensed app with its license and a package that is in the content store.
    pub async fn offline_app(&self, name: &str) -> App {
        let app = self.app(name, LicenseKind::Offline).await;
        let mut writer = self.content.writer().await.unwrap();
        writer.write(b"package").await.unwrap();
        let stored = writer.finish(None, None).await.unwrap();
        let package = Package {
            id: PackageId::new(self.clock.now(), &self.rng),
            app_id: app.id,
            role: PackageRole::Main,
            store_package_id: None,
            content_id: Some("5D0C8A41".to_owned()),
            full_name: format!("{name}_1.0.0.0_x64__0000000000000"),
            file_name: format!("{name}.msix"),
            version: Version([1, 0, 0, 0]),
            architectures: vec![Architecture::X64],
            bundle: false,
            families: vec![],
            rank: 0,
            size: 7,
            sha256: None,
            frameworks: vec![],
        };
        let license = OfflineLicense {
            app_id: app.id,
            content_id: "5D0C8A41".to_owned(),
            instance_id: None,
            blob: Secret::new("bGljZW5zZQ==".to_owned()),
            fetched_at: self.clock.now(),
        };
        let mut tx = self.db.begin("test").await.unwrap();
        let id = qm_db::packages::upsert(&mut tx, &package).await.unwrap();
        qm_db::packages::set_content(&mut tx, id, Some((stored.sha256, 7)))
            .await
            .unwrap();
        qm_db::licenses::upsert(&mut tx, &license).await.unwrap();
        tx.commit().await.unwrap();
        app
    }

    /// The packages of an app as they are before they are fetched.
    pub async fn forget_content(&self, app: &App) {
        let mut tx = self.db.begin("test").await.unwrap();
        for package in qm_db::packages::list_for_app(&mut tx, app.id).await.unwrap() {
            qm_db::packages::set_content(&mut tx, package.id, None)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// A deployment with one target for each device.
    pub async fn deployed(&self, app: &App, devices: &[(&Device, TargetState)]) -> Vec<Target> {
        let now = self.clock.now();
        let deployment = Deployment {
            id: DeploymentId::new(now, &self.rng),
            app_id: app.id,
            intent: Intent::Required,
            context: Context::User,
            state: DeploymentState::Active,
            created_at: now,
        };
        let target = |(device, state): &(&Device, TargetState)| Target {
            id: TargetId::new(now, &self.rng),
            deployment_id: deployment.id,
            app_id: app.id,
            intent: deployment.intent,
            context: deployment.context,
            device_id: device.id,
            upn: device.upn.clone(),
            state: *state,
            attempts: 1,
            error: None,
            package_id: None,
            license_accepted: false,
            not_before: None,
            deadline: (!state.is_final()).then(|| now + DAY),
            updated_at: now,
        };
        let targets: Vec<_> = devices.iter().map(target).collect();
        let mut tx = self.db.begin("test").await.unwrap();
        qm_db::deployments::insert(&mut tx, &deployment).await.unwrap();
        qm_db::targets::insert_many(&mut tx, &deployment, &targets)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        targets
    }

    pub async fn seat(&self, app: &App, upn: &str, state: SeatState, reasons: &[&Target]) -> SeatId {
        let now = self.clock.now();
        let id = SeatId::new(now, &self.rng);
        let seat = Seat {
            id,
            app_id: app.id,
            upn: upn.to_owned(),
            state,
            reason: "needed".to_owned(),
            since: now,
            attempts: 0,
        };
        let mut tx = self.db.begin("test").await.unwrap();
        qm_db::seats::upsert(&mut tx, &seat).await.unwrap();
        for target in reasons {
            qm_db::seats::add_reason(&mut tx, id, target.id).await.unwrap();
        }
        tx.commit().await.unwrap();
        id
    }

    pub async fn seat_state(&self, id: SeatId) -> (SeatState, String) {
        let seat = qm_db::seats::find_by_id(&mut self.db.read().await.unwrap(), id)
            .await
            .unwrap()
            .unwrap();
        (seat.state, seat.reason)
    }

    pub async fn has_seats_job(&self, app: &App) -> bool {
        let mut conn = self.db.read().await.unwrap();
        qm_db::jobs::newest(&mut conn, JobKind::Seats, &app.id.to_string())
            .await
            .unwrap()
            .is_some()
    }

    pub async fn upload(&self, files: &[(Part, &str, &[u8])]) -> Result<AppDetail, UseCaseError> {
        let mut upload = self.orchestrator.begin_upload();
        for (part, name, bytes) in files {
            send(&mut upload, *part, name, bytes).await?;
        }
        self.orchestrator.finish_upload(&self.caller, upload).await
    }
}

pub async fn send(upload: &mut Upload, part: Part, name: &str, bytes: &[u8]) -> Result<(), UseCaseError> {
    let mut writer = upload.part(part, name).await?;
    for chunk in bytes.chunks(1000) {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

pub fn field<T: std::fmt::Debug>(result: Result<T, UseCaseError>) -> &'static str {
    match result {
        Err(UseCaseError::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

pub fn is_conflict<T>(result: Result<T, UseCaseError>) -> bool {
    result.is_err_and(|error| matches!(error, UseCaseError::Conflict(_)))
}

pub fn is_missing<T>(result: Result<T, UseCaseError>) -> bool {
    result.is_err_and(|error| matches!(error, UseCaseError::NotFound { .. }))
}
