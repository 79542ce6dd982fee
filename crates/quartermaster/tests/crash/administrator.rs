//! An administrator who deploys, removes, uploads and commands, and asks again with the same key until there is an answer.

use crate::world::{World, upns};
use anyhow::{Context as _, Result, bail};
use qm_admin_api::types::App;
use qm_core::Rng;
use quartermaster::demo::api::Api;
use reqwest::{Method, StatusCode, header, multipart};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What shall become of an app with a user.
pub type Wishes = BTreeMap<(String, String), &'static str>;

/// One of several; they all know the same.
pub struct Administrator {
    rng: Rng,
    packages: Vec<(String, PathBuf)>,
    apps: Vec<App>,
    /// Every deployment that was acknowledged, in order.
    pub deployments: Vec<uuid::Uuid>,
    /// Commands that must not run twice, by device: the node tells them apart.
    pub execs: BTreeMap<uuid::Uuid, BTreeSet<String>>,
    device_ids: Vec<uuid::Uuid>,
    asked: u64,
    api: Api,
    /// No server is killed any more.
    calm: CancellationToken,
}

/// What became of a request whose answers may have been lost.
enum Asked {
    Answered(Value),
    /// It was carried out, and its answer is gone for good.
    AnswerLost,
}

impl Administrator {
    pub async fn new(world: &World, rng: Rng, calm: CancellationToken) -> Result<Self> {
        let api = world.installation.administrator()?;
        let device_ids = api.devices().await?.iter().map(|device| device.id).collect();
        let packages = (0..PACKAGES)
            .map(|number| world.package(number))
            .collect::<Result<_>>()?;
        api.synchronize().await?;
        let mut administrator = Self {
            rng,
            packages,
            apps: Vec::new(),
            deployments: Vec::new(),
            execs: BTreeMap::new(),
            device_ids,
            asked: 0,
            api,
            calm,
        };
        while administrator.apps.len() < 2 {
            tokio::time::sleep(PAUSE).await;
            let found = administrator.api.apps().await?;
            administrator.apps = found.into_iter().filter(|app| !app.packages.is_empty()).collect();
        }
        Ok(administrator)
    }

    /// Works until no server is killed any more; what was wished in the end.
    pub async fn work(&mut self) -> Result<Wishes> {
        let mut wishes = Wishes::new();
        while !self.calm.is_cancelled() {
            match self.rng.below(10) {
                0 => self.upload().await?,
                1 => self.command().await?,
                2 => self
                    .ask(Method::POST, "/store/sync", Value::Null)
                    .await
                    .map(|_| ())?,
                3..7 => self.deploy("required", &mut wishes).await?,
                _ => self.deploy("uninstall", &mut wishes).await?,
            }
            tokio::time::sleep(Duration::from_millis(self.rng.below(60))).await;
        }
        Ok(wishes)
    }

    async fn deploy(&mut self, intent: &'static str, wishes: &mut Wishes) -> Result<()> {
        let app = self.choose(self.apps.len());
        let app = &self.apps[app];
        let family = app.package_family_name.clone().context("a family name")?;
        let chosen: Vec<_> = upns().into_iter().filter(|_| self.rng.below(2) == 0).collect();
        let body = json!({
            "app_id": app.id, "intent": intent, "context": context(app), "targets": { "upns": chosen },
        });
        if chosen.is_empty() {
            return Ok(());
        }
        if self.rng.below(4) == 0 {
            self.ask(Method::POST, "/deployments/plan", body.clone()).await?;
        }
        let deployment = match self.ask(Method::POST, "/deployments", body).await? {
            Asked::Answered(deployment) => deployment["id"].clone(),
            Asked::AnswerLost => self.newest_deployment().await?,
        };
        self.deployments.push(serde_json::from_value(deployment)?);
        for upn in chosen {
            wishes.insert((family.clone(), upn), intent);
        }
        Ok(())
    }

    /// Orders once more what was wished of an app.
    pub async fn order_again(&mut self, app: uuid::Uuid, upn: String, wishes: &Wishes) -> Result<()> {
        let app = self
            .apps
            .iter()
            .find(|known| known.id == app)
            .context("it is known")?;
        let family = app.package_family_name.clone().unwrap_or_default();
        let intent = wishes.get(&(family, upn.clone())).context("somebody wished it")?;
        let body = json!({
            "app_id": app.id, "intent": intent, "context": context(app), "targets": { "upns": [upn] },
        });
        self.ask(Method::POST, "/deployments", body).await.map(|_| ())
    }

    /// The one that is not known yet is the one whose answer was lost.
    async fn newest_deployment(&mut self) -> Result<Value> {
        let Asked::Answered(list) = self.ask(Method::GET, "/deployments?limit=1", Value::Null).await? else {
            bail!("a list has an answer");
        };
        let id = list["items"][0]["id"].clone();
        let known: uuid::Uuid = serde_json::from_value(id.clone())?;
        anyhow::ensure!(
            !self.deployments.contains(&known),
            "a deployment that was carried out is not there"
        );
        Ok(id)
    }

    async fn command(&mut self) -> Result<()> {
        let device = self.device_ids[self.choose(self.device_ids.len())];
        let uri = format!("./Device/Vendor/MSFT/CrashTest/{}", self.asked);
        self.execs.entry(device).or_default().insert(uri.clone());
        let body = json!({ "verb": "exec", "uri": uri, "data": "now" });
        self.ask(Method::POST, &format!("/devices/{device}/commands"), body)
            .await
            .map(|_| ())
    }

    async fn upload(&mut self) -> Result<()> {
        let Some((family, file)) = self.packages.pop() else {
            return Ok(());
        };
        let bytes = std::fs::read(&file)?;
        let key = self.key();
        loop {
            let part = multipart::Part::bytes(bytes.clone()).file_name("Ledger.msix");
            let form = multipart::Form::new().part("package", part);
            let request = self
                .api
                .request(Method::POST, "/apps/packages")
                .header("Idempotency-Key", &key);
            if settled(request.multipart(form)).await?.is_some() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let Asked::Answered(list) = self.ask(Method::GET, "/apps?limit=500", Value::Null).await? else {
            bail!("a list has an answer");
        };
        let apps: Vec<App> = serde_json::from_value(list["items"].clone())?;
        let is_it = |app: &&App| app.package_family_name.as_ref() == Some(&family);
        let mut found = apps.iter().filter(is_it);
        let app = found
            .next()
            .with_context(|| format!("the upload of {family} is not there"))?;
        anyhow::ensure!(found.next().is_none(), "{family} was uploaded twice");
        self.apps.push(app.clone());
        Ok(())
    }

    fn choose(&self, count: usize) -> usize {
        usize::try_from(self.rng.below(u64::try_from(count).unwrap_or(1))).unwrap_or(0)
    }

    fn key(&mut self) -> String {
        self.asked += 1;
        format!("request-{}", self.asked)
    }

    /// Asks until there is an answer. How often counts only while nobody is killed: where kills come faster than a lease
    /// ends, nothing may get through before the last of them.
    async fn ask(&mut self, method: Method, path: &str, body: Value) -> Result<Asked> {
        let key = self.key();
        let mut attempts = 0;
        while attempts < MOST_ATTEMPTS {
            attempts += u32::from(self.calm.is_cancelled());
            let mut request = self.api.request(method.clone(), path);
            if method == Method::POST {
                request = request.header("Idempotency-Key", &key);
            }
            if !body.is_null() {
                request = request.json(&body);
            }
            if let Some(asked) = settled(request)
                .await
                .with_context(|| format!("{method} {path}"))?
            {
                return Ok(asked);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{method} {path} found no answer")
    }
}

/// An app that needs no license is for the device, so that both scopes are tried.
fn context(app: &App) -> &'static str {
    if app.license == "none" { "device" } else { "user" }
}

/// `None`: ask again.
async fn settled(request: reqwest::RequestBuilder) -> Result<Option<Asked>> {
    let Ok(response) = request.header(header::CONNECTION, "close").send().await else {
        return Ok(None);
    };
    let status = response.status();
    let Ok(text) = response.text().await else {
        return Ok(None);
    };
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Ok(None),
        StatusCode::CONFLICT if text.contains("its answer was lost") => Ok(Some(Asked::AnswerLost)),
        StatusCode::CONFLICT if text.contains("is being carried out") => Ok(None),
        _ if status.is_success() => Ok(Some(Asked::Answered(serde_json::from_str(&text)?))),
        _ => bail!("the server answered {status}: {text}"),
    }
}

const PACKAGES: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);
const MOST_ATTEMPTS: u32 = 1000;
