//! The simulated management tree: what is at an address and what a verb does to it.

mod address;
pub(crate) mod apps;
mod nodes;

pub(crate) use address::Address;
pub use address::Scope;

use crate::{DeviceOptions, Rule, account::Account, enroll::Hardware, violation::Watch};
use apps::Apps;
use nodes::Nodes;
use qm_core::{HResult, command::Verb};

/// Who is signed in, as the LoginStatus alert tells it (MS-MDM 2.2.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// The enrolled user.
    #[default]
    User,
    /// Somebody without an account here.
    Others,
    /// Nobody.
    None,
}

impl Login {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Others => "others",
            Self::None => "none",
        }
    }
}

/// The whole tree of an enrolled device.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: Nodes,
    pub(crate) apps: Apps,
    login: Login,
    provider_id: String,
    /// The server has told the device to leave.
    pub(crate) unenrolling: bool,
}

/// One verb on one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    pub(crate) address: &'a Address,
    /// `Meta/Format`, where given.
    pub(crate) format: Option<&'a str>,
    /// `Data`; empty where there is none.
    pub(crate) data: &'a str,
}

/// What the world around a command is.
pub(crate) struct World<'a> {
    pub(crate) options: &'a DeviceOptions,
    pub(crate) watch: &'a mut Watch,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// `msft:originalerror`.
    pub(crate) error: Option<HResult>,
    /// What a Get found.
    pub(crate) values: Vec<Value>,
}

/// One item of a Get's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) uri: String,
    pub(crate) format: &'static str,
    pub(crate) data: String,
}

impl Outcome {
    pub(crate) const OK: Self = Self::status(200);
    pub(crate) const ACCEPTED: Self = Self::status(202);
    pub(crate) const NOT_FOUND: Self = Self::error(404, HResult(0x8600_0002));
    pub(crate) const NOT_ALLOWED: Self = Self::error(405, HResult(0x8600_0005));
    pub(crate) const UNSUPPORTED: Self = Self::status(406);
    pub(crate) const WRONG_FORMAT: Self = Self::status(415);
    pub(crate) const EXISTS: Self = Self::error(418, HResult(0x8600_0004));
    pub(crate) const FAILED: Self = Self::error(500, HResult(0x8600_0013));

    pub(crate) const fn status(status: u16) -> Self {
        Self {
            status,
            error: None,
            values: Vec::new(),
        }
    }
    const fn error(status: u16, error: HResult) -> Self {
        Self {
            status,
            error: Some(error),
            values: Vec::new(),
        }
    }
    pub(crate) fn value(uri: impl Into<String>, format: &'static str, data: impl Into<String>) -> Self {
        Self::values(vec![Value::new(uri, format, data)])
    }
    pub(crate) const fn values(values: Vec<Value>) -> Self {
        Self {
            status: 200,
            error: None,
            values,
        }
    }
    /// An interior node: the names of its children.
    pub(crate) fn children<I: IntoIterator<Item: AsRef<str>>>(uri: &str, names: I) -> Self {
        let names: Vec<_> = names
            .into_iter()
            .map(|name| address::encode(name.as_ref()))
            .collect();
        Self::value(uri, "node", names.join("/"))
    }
}

impl Value {
    pub(crate) fn new(uri: impl Into<String>, format: &'static str, data: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            format,
            data: data.into(),
        }
    }
}

impl Tree {
    /// The tree right after enrollment; somebody has just enrolled, so the user is there.
    pub(crate) fn new(options: &DeviceOptions, hardware: &Hardware, account: &Account) -> Self {
        Self {
            nodes: Nodes::new(options, hardware, account),
            apps: Apps::new(options.clock.now()),
            login: Login::User,
            provider_id: account.provider_id.clone(),
            unenrolling: false,
        }
    }

    pub(crate) const fn login(&self) -> Login {
        self.login
    }

    /// At the user's sign-in, provisioned apps are registered for that user.
    pub(crate) fn set_login(&mut self, login: Login) {
        if login == Login::User && self.login != Login::User {
            self.apps.register_provisioned();
        }
        self.login = login;
    }

    /// `SyncApplicationVersion`, its first number.
    pub(crate) fn sync_version(&self) -> u32 {
        let version = self
            .nodes
            .provider_value(&self.provider_id, "SyncApplicationVersion")
            .unwrap_or("1.0");
        version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(1)
    }

    /// Carries out one call.
    pub(crate) fn perform(&mut self, call: Call<'_>, world: &mut World<'_>) -> Outcome {
        let address = call.address;
        if address.scope == Scope::User && self.login != Login::User {
            world.watch.note(
                Rule::Scope,
                format!("`{}` with login status {}", address.text, self.login.as_str()),
            );
            return Outcome::FAILED;
        }
        if let Some(below) = address.below(&["Vendor", "MSFT", "EnterpriseModernAppManagement"]) {
            let policy = self.nodes.allows_trusted_apps();
            self.apps.forbid_sideloading(policy == Some(false));
            return self.apps.perform(call, below, world);
        }
        if address.is_at(&["Vendor", "MSFT", "DMClient", "Unenroll"])
            || address.is_at(&[
                "Vendor",
                "MSFT",
                "DMClient",
                "Provider",
                &self.provider_id,
                "Unenroll",
            ])
        {
            return self.unenroll(call, world);
        }
        self.nodes.perform(call)
    }

    fn unenroll(&mut self, call: Call<'_>, world: &mut World<'_>) -> Outcome {
        if call.verb != Verb::Exec {
            return Outcome::NOT_ALLOWED;
        }
        let right = call.data == self.provider_id;
        if !world.watch.check(right, Rule::Payload, || {
            "Unenroll without the provider's name".to_owned()
        }) {
            return Outcome::FAILED;
        }
        self.unenrolling = true;
        Outcome::OK
    }
}

#[cfg(test)]
mod tests;
