//! A client without manners of its own: it sends what the test says and shows what came back.

use qm_core::{Clock, Rng, Timestamp};
use qm_store_sim::{
    ProductKey, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{self, DEMO_OFFLINE, DEMO_ONLINE},
};
use reqwest::{Method, RequestBuilder, Response, redirect::Policy};
use serde_json::Value;
use std::sync::Arc;

/// A running service with a client that has a token.
pub(crate) struct Stage {
    pub(crate) sim: StoreSimHandle,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Stage {
    /// The demonstration catalogue with three seats, and five users.
    pub(crate) async fn demo() -> Self {
        Self::with(SimConfig::default()).await
    }

    /// As [`Stage::demo`], with settings.
    pub(crate) async fn with(config: SimConfig) -> Self {
        let clock = Clock::mock(Timestamp::from_millis(1_760_000_000_000));
        let mut products = catalogue::demo(3).unwrap();
        products.extend(config.products.clone());
        let config = SimConfig {
            products,
            users: ["ann", "bob", "Cia", "dan", "eve"].map(upn).into(),
            clock: clock.clone(),
            rng: Rng::seeded(5),
            ..config
        };
        let sim = StoreSim::start(config).await.unwrap();
        let http = http();
        let token = new_token(&http, &sim).await;
        Self {
            sim,
            http,
            clock,
            token,
        }
    }

    /// A request with everything that the service wants.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.sim.base_url()))
            .header("Accept", "application/json")
            .bearer_auth(&self.token)
    }

    /// A POST without a body; reqwest leaves out the length of an empty body, also of an explicit one.
    pub(crate) fn empty_post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).header("Content-Length", "0")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        Answer::of(self.empty_post(path).send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    /// The bulk operation on the online-licensed app; `None` if the connection broke.
    pub(crate) async fn bulk(&self, action: &str, names: &[&str]) -> Option<Answer> {
        let users: Vec<_> = names.iter().map(|name| upn(name)).collect();
        let body = serde_json::json!({ "usernames": users, "seatAction": action });
        let request = self.request(Method::POST, &inventory("/Seats")).json(&body);
        Some(Answer::of(request.send().await.ok()?).await)
    }

    /// A token request with the given form.
    pub(crate) async fn token_with(&self, tenant: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/{tenant}/oauth2/token", self.sim.authority_url());
        Answer::of(self.http.post(url).form(form).send().await.unwrap()).await
    }

    /// The first address of the offline-licensed app's package.
    pub(crate) async fn address(&self) -> String {
        let packages = self.get(&offline("/Packages")).await.ok();
        text(&packages["productPackages"][0]["location"]["url"])
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, body }
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The status of a refusal with what its data says: an item type, a parameter or a reason.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let data = &self.body["data"];
        let first = ["itemType", "parameterName", "reason"]
            .into_iter()
            .find_map(|field| data[field].as_str());
        (self.status, first.unwrap_or_default())
    }
}

/// A plain HTTP client. reqwest is built without a crypto provider and would panic looking for a process-wide one, so it
/// gets a TLS configuration that is never used.
pub(crate) fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap()
}

pub(crate) async fn new_token(http: &reqwest::Client, sim: &StoreSimHandle) -> String {
    let url = format!("{}/{}/oauth2/token", sim.authority_url(), sim.tenant_id());
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", sim.client_id()),
        ("client_secret", sim.client_secret()),
        ("resource", sim.resource()),
    ];
    let answer = Answer::of(http.post(url).form(&form).send().await.unwrap()).await;
    text(&answer.ok()["access_token"])
}

pub(crate) fn upn(name: &str) -> String {
    if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@saltmarsh.example")
    }
}

pub(crate) fn online_key() -> ProductKey {
    ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1)
}

pub(crate) fn offline_key() -> ProductKey {
    ProductKey::new(DEMO_OFFLINE.0, DEMO_OFFLINE.1)
}

/// A path below the online-licensed app's inventory entry.
pub(crate) fn inventory(rest: &str) -> String {
    format!("/Inventory/{}{rest}", online_key())
}

/// The path of a user's seat of the online-licensed app.
pub(crate) fn seat(name: &str) -> String {
    inventory(&format!("/Seats/{}", upn(name)))
}

/// A path below the offline-licensed app's product.
pub(crate) fn offline(rest: &str) -> String {
    format!("/Products/{}{rest}", offline_key())
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The values of a field, over the elements of a list.
pub(crate) fn column(list: &Value, field: &str) -> Vec<String> {
    let elements = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    elements.iter().map(|element| text(&element[field])).collect()
}
