//! How a device's messages reach the server: address and headers, and the connection of one session.

use crate::{
    DeviceOptions, Quirk, Rule, SimError, Trigger,
    account::{Account, Identity},
    http::{self, Answer},
    session::Session,
    tree::{Login, Tree},
    violation::Watch,
};
use reqwest::{
    Client,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use url::Url;

/// Where a device's messages go, and what stands above them.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The management service with the query that Windows appends.
    pub(crate) url: Url,
    /// The headers of every message.
    pub(crate) headers: HeaderMap,
}

impl Head {
    pub(super) fn new(account: &Account, tree: &Tree, trigger: Trigger) -> Result<Self, SimError> {
        let mut url = Url::parse(&account.address).map_err(|_| SimError::Address(account.address.clone()))?;
        let mode = if tree.login() == Login::User {
            "Maintenance"
        } else {
            "Machine"
        };
        url.query_pairs_mut()
            .append_pair("mode", mode)
            .append_pair("Platform", "WoA");
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(account.encoding.media_type()),
        );
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if tree.sync_version() >= 4 {
            headers.insert(ORIGIN, HeaderValue::from(u16::from(trigger.origin())));
            // An enrollment id that no header can carry comes from a server that broke other rules before.
            if let Ok(id) = HeaderValue::from_str(&account.ent_dm_id) {
                headers.insert(REQUEST_ID, id);
            }
        }
        Ok(Self { url, headers })
    }
}

/// The connection of one session.
pub(super) struct Line {
    client: Client,
    again: Client,
    head: Head,
    patience: u32,
}

impl Line {
    pub(super) fn new(
        options: &DeviceOptions,
        (head, identity): (Head, &Identity),
    ) -> Result<Self, SimError> {
        Ok(Self {
            client: http::client(options, Some(identity))?,
            again: http::client(options, Some(identity))?,
            head,
            patience: options.patience,
        })
    }

    /// Sends a message with the mishaps that were asked for; `None`: the device stopped.
    pub(super) async fn send(
        &self,
        session: &Session,
        bytes: &[u8],
        options: &DeviceOptions,
        watch: &mut Watch,
    ) -> Result<Option<Answer>, SimError> {
        let (number, quirks) = (session.message(), &options.quirks);
        if quirks.has(&Quirk::LoseReply(number)) {
            self.post(&self.client, bytes).await?;
            // A new connection, the same bytes.
            return self.post(&self.again, bytes).await.map(Some);
        }
        let answer = self.post(&self.client, bytes).await?;
        if quirks.has(&Quirk::StopAfter(number)) {
            return Ok(None);
        }
        if quirks.has(&Quirk::RepeatMessage(number)) {
            let repeated = self.post(&self.again, bytes).await?;
            watch.during(format!(
                "session {} message {number} repeated",
                session.report.session_id
            ));
            let same = (repeated.status, &repeated.body) == (answer.status, &answer.body);
            watch.check(same, Rule::Replay, || {
                "the repeated message got another answer".to_owned()
            });
        }
        Ok(Some(answer))
    }

    async fn post(&self, client: &Client, bytes: &[u8]) -> Result<Answer, SimError> {
        let request = client
            .post(self.head.url.clone())
            .headers(self.head.headers.clone())
            .body(bytes.to_vec());
        http::exchange_patiently(request, MAX_MESSAGE, self.patience).await
    }
}

const ORIGIN: HeaderName = HeaderName::from_static("useragentorigin");
const REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
pub(super) const AGENT: &str = "MSFT OMA DM Client/1.2.0.1";
const ACCEPTED: &str =
    "application/vnd.syncml.dm+xml, application/vnd.syncml.dm+wbxml, application/octet-stream";
/// More bytes than a device reads.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
