//! On-premises enrollment (MS-MDE2): from a `RequestSecurityToken` to a stored device and its provisioning document.

use crate::{Orchestrator, TooManyFailures, access::digest, attempts::Guess, audit};
use qm_core::{
    DeviceId, Secret, Timestamp,
    device::{Device, DeviceState},
    enrollment::EnrollmentToken,
};
use qm_db::{DbError, Tx, certificates, devices, enrollment_tokens, enrollment_tokens::EnrollmentReply, run};
use qm_enrollment::{
    ContextItems, Credential, Fault, FaultKind, ProvisioningDocument, RequestSecurityToken, TokenRequest,
    provisioning::{ClientCredential, DmAccount, PollSchedule, Renewal, Retries, ServerCredential},
};
use qm_pki::{CertificateRequest, IssuedCertificate, VALIDITY};
use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU16};

/// Why nobody was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// For a reason that the device is told.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// Too many wrong credentials came from there, or for this user.
    #[error(transparent)]
    TooManyFailures(#[from] TooManyFailures),
    /// The database cannot be used at the moment; the same request may succeed later.
    #[error(transparent)]
    Unavailable(DbError),
}

/// What is no passing trouble of the database is a failure behind the service.
impl From<DbError> for EnrollError {
    fn from(error: DbError) -> Self {
        if error.may_pass() {
            return Self::Unavailable(error);
        }
        tracing::error!(%error, "an enrollment could not be stored");
        Self::Refused(Fault::new(
            FaultKind::EnrollmentServer,
            "The server cannot store the enrollment; its log says why.",
        ))
    }
}

impl Orchestrator {
    /// The provisioning document for a request, or the fault to send. Everything is committed before it returns: the
    /// device's first session can begin within a second. A repeated request (same token, `DeviceID` and key) gets the
    /// same document. `from` is where it comes from.
    pub async fn enroll(
        &self,
        request: &RequestSecurityToken,
        from: Option<IpAddr>,
    ) -> Result<Secret<Vec<u8>>, EnrollError> {
        let token = self.token_of(&request.credential, from).await?;
        let TokenRequest::Issue { pkcs10, device_id } = &request.request else {
            return Err(Fault::new(
                FaultKind::NotSupported,
                "This server does not renew certificates yet; enroll again.",
            )
            .into());
        };
        let csr = CertificateRequest::parse(pkcs10)
            .map_err(|error| Fault::new(FaultKind::CertificateRequest, error.to_string()))?;
        if let Some(document) = self.repeated(&token, device_id, &csr).await? {
            return Ok(document);
        }
        if token.expires_at <= self.clock.now() {
            return Err(refused("The enrollment token has expired; ask for a new one.").into());
        }
        self.issue(&token, device_id, &csr, &request.context).await
    }

    /// Whether a request for the enrollment policy comes from somebody who has a token.
    pub async fn may_enroll(&self, credential: &Credential, from: Option<IpAddr>) -> Result<(), EnrollError> {
        self.token_of(credential, from).await.map(|_| ())
    }

    /// The token that a credential names. A wrong one counts as a guess; a token that is spent does not.
    async fn token_of(
        &self,
        credential: &Credential,
        from: Option<IpAddr>,
    ) -> Result<EnrollmentToken, EnrollError> {
        let (upn, password) = credential.on_premises()?;
        let attempt = self.attempt(Guess::Enrollment, from, Some(&upn))?;
        let mut conn = self.db.read().await?;
        let token = enrollment_tokens::find_by_hash(&mut conn, &digest(password.expose())).await?;
        match token {
            Some(token) if token.upn == upn => Ok(token),
            _ => {
                attempt.failed();
                tracing::warn!("enrollment refused: unknown token, or a token of another user");
                Err(refused("User name and enrollment token do not belong together.").into())
            }
        }
    }

    async fn repeated(
        &self,
        token: &EnrollmentToken,
        dm_id: &str,
        csr: &CertificateRequest,
    ) -> Result<Option<Secret<Vec<u8>>>, DbError> {
        let mut conn = self.db.read().await?;
        let reply =
            enrollment_tokens::find_reply(&mut conn, token.id, dm_id, &csr.public_key_digest()).await?;
        let Some(reply) = reply else { return Ok(None) };
        let device = devices::find(&mut conn, reply.device_id).await?;
        Ok(device
            .filter(|d| d.state.is_enrolled())
            .map(|_| Secret::new(reply.response)))
    }

    async fn issue(
        &self,
        token: &EnrollmentToken,
        dm_id: &str,
        csr: &CertificateRequest,
        context: &ContextItems,
    ) -> Result<Secret<Vec<u8>>, EnrollError> {
        let now = self.clock.now();
        let device = new_device(DeviceId::new(now, &self.rng), token, dm_id, context, now);
        let issued = self
            .authority
            .issue(csr, device.id, now, VALIDITY, &self.rng)
            .map_err(|error| {
                tracing::error!(%error, "a device certificate could not be issued");
                Fault::new(
                    FaultKind::EnrollmentServer,
                    "The certificate could not be issued.",
                )
            })?;
        let document = self.provisioning_document(&device, &issued).encode();
        let reply = EnrollmentReply {
            token_id: token.id,
            dm_id: dm_id.to_owned(),
            public_key: issued.record.public_key,
            device_id: device.id,
            response: document.expose().clone(),
            created_at: now,
        };
        let stored: Result<(), NotStored> = run!(self.db, "device.enroll", |tx| self
            .store(tx, &device, &issued, &reply, now)
            .await);
        match stored {
            Ok(()) => {
                tracing::info!(device.id = %device.id, device.kind = %device.kind, "device enrolled");
                Ok(document)
            }
            Err(NotStored::Database(error @ DbError::Unavailable(..))) => Err(error.into()),
            // The very same request may have been answered meanwhile: devices repeat it when a connection breaks. Or it was
            // stored, and only the commit's answer was lost.
            Err(reason) => match self.repeated(token, dm_id, csr).await? {
                Some(document) => Ok(document),
                None => Err(reason.into()),
            },
        }
    }

    async fn store(
        &self,
        tx: &mut Tx,
        device: &Device,
        issued: &IssuedCertificate,
        reply: &EnrollmentReply,
        now: Timestamp,
    ) -> Result<(), NotStored> {
        if !enrollment_tokens::take_use(tx, reply.token_id, now).await? {
            return Err(NotStored::TokenSpent);
        }
        if certificates::is_key_of_another(tx, &reply.public_key, &reply.dm_id).await? {
            return Err(NotStored::KeyOfAnother);
        }
        devices::insert(tx, device).await?;
        certificates::insert(tx, &issued.record).await?;
        enrollment_tokens::insert_reply(tx, reply).await?;
        let detail = serde_json::json!({ "upn": device.upn, "kind": device.kind });
        audit::record_device(tx, now, &self.rng, device.id, "device.enroll", device.id, detail).await?;
        Ok(())
    }

    /// Fresh secrets for both directions: with mutual TLS they are a second factor that nobody else knows.
    fn provisioning_document(&self, device: &Device, issued: &IssuedCertificate) -> ProvisioningDocument {
        ProvisioningDocument {
            device_id: device.id,
            kind: device.kind,
            root_certificate: self.authority.certificate().to_vec(),
            client_certificate: issued.der.clone(),
            renewal: Renewal {
                automatic: false,
                ..Renewal::default()
            },
            account: DmAccount {
                display_name: "Quartermaster".to_owned(),
                address: format!("{}/ManagementServer/Manage.svc", self.settings.management_url),
                client: ClientCredential {
                    name: device.id.to_string(),
                    secret: Secret::new(self.rng.token()),
                    nonce: self.rng.bytes::<16>().to_vec(),
                },
                server: ServerCredential {
                    secret: Secret::new(self.rng.token()),
                    nonce: self.rng.bytes::<16>().to_vec(),
                },
            },
            upn: device.upn.clone(),
            device_name: device.name.clone(),
            poll: POLL,
        }
    }
}

/// Why an enrollment was undone.
#[derive(Debug)]
enum NotStored {
    /// The token has no uses left, or has expired meanwhile.
    TokenSpent,
    /// The key is certified for another device: one of them has copied it.
    KeyOfAnother,
    /// The database is out of reach, or the same request was stored first.
    Database(DbError),
}

impl From<DbError> for NotStored {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl From<NotStored> for EnrollError {
    fn from(reason: NotStored) -> Self {
        match reason {
            NotStored::TokenSpent => {
                refused("The enrollment token has been used up or has expired; ask for a new one.").into()
            }
            NotStored::KeyOfAnother => {
                tracing::warn!("enrollment refused: the key is certified for another device");
                let text = "The key belongs to another device; create a new one.";
                Fault::new(FaultKind::CertificateRequest, text).into()
            }
            NotStored::Database(error) => error.into(),
        }
    }
}

/// 5 calls 3 minutes apart, 8 calls 15 minutes apart, then every 8 hours, and at sign-in: without push, nothing else
/// tells a device that there is work.
const POLL: PollSchedule = PollSchedule {
    first: Retries {
        count: number(5),
        interval_minutes: 3,
    },
    second: Retries {
        count: number(8),
        interval_minutes: 15,
    },
    remaining_minutes: number(480),
    on_login: true,
    on_first_login_of_all_users: true,
};

const fn number(n: u16) -> NonZeroU16 {
    match NonZeroU16::new(n) {
        Some(n) => n,
        None => NonZeroU16::MIN,
    }
}

fn new_device(
    id: DeviceId,
    token: &EnrollmentToken,
    dm_id: &str,
    context: &ContextItems,
    now: Timestamp,
) -> Device {
    Device {
        id,
        state: DeviceState::Provisional,
        end_reason: None,
        dm_id: dm_id.to_owned(),
        hardware_id: context.hardware_id().unwrap_or_default(),
        name: context.device_name().unwrap_or_else(|| dm_id.to_owned()),
        upn: token.upn.clone(),
        kind: context.enrollment_kind(),
        enrolled_at: now,
        ended_at: None,
        os_version: context.os_version(),
        manufacturer: context.display("Manufacturer"),
        model: context.display("DeviceModel"),
        architecture: None,
        last_seen_at: None,
        inventory_at: None,
        settings_at: None,
        apps_read_at: None,
        user_apps_read_at: None,
        apps_due: false,
        details: BTreeMap::new(),
    }
}

fn refused(text: &str) -> Fault {
    Fault::new(FaultKind::Authentication, text)
}
