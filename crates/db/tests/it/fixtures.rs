//! Records to store, made from one seed, and the loop over the engines.

use qm_core::{
    AppId, Architecture, CommandId, DeploymentId, DeviceId, GroupId, PackageId, Rng, SeatId, SessionRowId,
    Sha256, TargetId, Timestamp,
    app::{App, AppSource, AppState, DeviceFamily, LicenseKind, Package, PackageRole, SeatCounts},
    command::{Command, CommandState, Verb},
    deployment::{Context, Deployment, DeploymentState, Intent, Target, TargetState},
    device::{CertificateState, Device, DeviceCertificate, DeviceState, EnrollmentKind},
    group::Group,
    seat::{Seat, SeatState},
    session::SessionRow,
};
use qm_db::{Db, Tx, apps, deployments, devices, test_support::test_databases};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

/// Runs the test on an empty database of each engine.
pub async fn on_both(test: impl AsyncFn(&Db, &Make)) {
    for (engine, db) in test_databases().await {
        println!("on {engine}");
        test(&db, &Make::default()).await;
        db.close().await;
    }
}

/// Makes records; each is one millisecond younger than the one before, so their ids are in order.
pub struct Make {
    rng: Rng,
    clock: AtomicI64,
}

impl Default for Make {
    fn default() -> Self {
        Self {
            rng: Rng::seeded(42),
            clock: AtomicI64::new(1_800_000_000_000),
        }
    }
}

pub const NOON: Timestamp = Timestamp::from_millis(1_800_000_100_000);

/// Moments around noon, in seconds.
pub const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON.as_millis() + seconds * 1000)
}

impl Make {
    pub fn tick(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.fetch_add(1, Ordering::SeqCst))
    }
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        qm_core::id::uuid_v7(self.tick(), &self.rng).into()
    }
    pub fn digest(&self) -> Sha256 {
        Sha256(self.rng.bytes())
    }

    /// A device with every field set.
    pub fn device(&self, upn: &str) -> Device {
        let id: DeviceId = self.id();
        Device {
            id,
            state: DeviceState::Active,
            end_reason: None,
            dm_id: format!("dm-{id}"),
            hardware_id: format!("hw-{id}"),
            name: "DESK-17".to_owned(),
            upn: upn.to_owned(),
            kind: EnrollmentKind::Full,
            enrolled_at: NOON,
            ended_at: None,
            os_version: "10.0.19045.4412".parse().ok(),
            manufacturer: Some("Fabrikam".to_owned()),
            model: Some("Slate 3".to_owned()),
            architecture: Some(Architecture::X64),
            last_seen_at: Some(NOON),
            inventory_at: Some(at(1)),
            settings_at: Some(at(2)),
            apps_read_at: Some(at(3)),
            user_apps_read_at: Some(at(4)),
            apps_due: true,
            details: BTreeMap::from([("./DevDetail/SwV".to_owned(), "10.0 \"β\"".to_owned())]),
        }
    }
    pub async fn stored_device(&self, db: &Db, upn: &str) -> Device {
        let device = self.device(upn);
        write(db, async |tx| devices::insert(tx, &device).await.unwrap()).await;
        device
    }
    pub fn certificate(&self, device: DeviceId, not_after: Timestamp) -> DeviceCertificate {
        DeviceCertificate {
            fingerprint: self.digest(),
            device_id: device,
            thumbprint: "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567".to_owned(),
            public_key: self.digest(),
            not_before: NOON,
            not_after,
            state: CertificateState::Active,
        }
    }
    pub fn session(&self, device: DeviceId, session_id: &str, updated_at: Timestamp) -> SessionRow {
        SessionRow {
            id: SessionRowId(self.id()),
            device_id: device,
            session_id: session_id.to_owned(),
            last_msg_id: 2,
            request_digest: self.digest(),
            opened_digest: Some(self.digest()),
            response: vec![0, 159, 146, 150],
            state: "{\"stage\":\"working\"}".to_owned(),
            updated_at,
        }
    }
    pub fn command(&self, device: DeviceId) -> Command {
        Command {
            id: CommandId(self.id()),
            device_id: device,
            verb: Verb::Replace,
            uri: "./Vendor/MSFT/Policy/Config/Camera/AllowCamera".to_owned(),
            format: Some("int".to_owned()),
            media_type: Some("text/plain".to_owned()),
            data: Some("0 & <1>".to_owned()),
            state: CommandState::Queued,
            status: None,
            results: Vec::new(),
            created_at: NOON,
            attempts: 0,
            sent_at: None,
            finished_at: None,
            expires_at: at(600),
        }
    }
    pub fn group(&self, name: &str, members: Vec<DeviceId>) -> Group {
        Group {
            id: GroupId(self.id()),
            name: name.to_owned(),
            members,
        }
    }
    /// A Store app with every field set.
    pub fn app(&self, name: &str) -> App {
        let id: AppId = self.id();
        App {
            id,
            name: name.to_owned(),
            publisher: Some("Contoso".to_owned()),
            description: Some("Does things.".to_owned()),
            source: AppSource::Store,
            license: LicenseKind::Online,
            state: AppState::Available,
            product_id: Some(format!("9{}", id.0.simple())),
            sku_id: Some("0016".to_owned()),
            package_family_name: Some(format!("Contoso.{name}_8wekyb3d8bbwe")),
            seats: Some(SeatCounts {
                total: Some(10),
                assigned: 3,
                available: Some(7),
            }),
            icon: Some(self.digest()),
            created_at: NOON,
            updated_at: NOON,
        }
    }
    pub async fn stored_app(&self, db: &Db, name: &str) -> App {
        let app = self.app(name);
        write(db, async |tx| apps::insert(tx, &app).await.unwrap()).await;
        app
    }
    pub fn package(&self, app: AppId, full_name: &str) -> Package {
        let id: PackageId = self.id();
        Package {
            id,
            app_id: app,
            role: PackageRole::Main,
            store_package_id: Some(format!("store-{id}")),
            content_id: Some("content-1".to_owned()),
            full_name: full_name.to_owned(),
            file_name: format!("{full_name}.msixbundle"),
            version: "2.5.1.0".parse().unwrap(),
            architectures: vec![Architecture::X64, Architecture::Arm64],
            bundle: true,
            families: vec![DeviceFamily {
                name: "Windows.Desktop".to_owned(),
                min_version: "10.0.17763.0".parse().unwrap(),
            }],
            rank: 30_001,
            size: 5_000_000_000,
            sha256: Some(self.digest()),
            frameworks: Vec::new(),
        }
    }
    pub fn seat(&self, app: AppId, upn: &str, state: SeatState) -> Seat {
        Seat {
            id: SeatId(self.id()),
            app_id: app,
            upn: upn.to_owned(),
            state,
            reason: "deployment".to_owned(),
            since: NOON,
            attempts: 1,
        }
    }
    pub fn deployment(&self, app: AppId, intent: Intent) -> Deployment {
        Deployment {
            id: DeploymentId(self.id()),
            app_id: app,
            intent,
            context: Context::User,
            state: DeploymentState::Active,
            created_at: NOON,
        }
    }
    pub fn target(&self, deployment: &Deployment, device: &Device, state: TargetState) -> Target {
        Target {
            id: TargetId(self.id()),
            deployment_id: deployment.id,
            app_id: deployment.app_id,
            intent: deployment.intent,
            context: deployment.context,
            device_id: device.id,
            upn: device.upn.clone(),
            state,
            attempts: 0,
            error: None,
            package_id: None,
            license_accepted: false,
            not_before: None,
            deadline: None,
            updated_at: NOON,
        }
    }
    /// A required deployment of a new app to new devices, one target in each of the states.
    pub async fn stored_deployment(&self, db: &Db, states: &[TargetState]) -> (Deployment, Vec<Target>) {
        let app = self.stored_app(db, "Notes").await;
        let deployment = self.deployment(app.id, Intent::Required);
        let mut targets = Vec::new();
        for (index, state) in states.iter().enumerate() {
            let device = self
                .stored_device(db, &format!("user{index}@contoso.example"))
                .await;
            targets.push(self.target(&deployment, &device, *state));
        }
        write(db, async |tx| {
            deployments::insert(tx, &deployment).await.unwrap();
            qm_db::targets::insert_many(tx, &deployment, &targets)
                .await
                .unwrap();
        })
        .await;
        (deployment, targets)
    }
}

/// A committed transaction.
pub async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin("test").await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}
