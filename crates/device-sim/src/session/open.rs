//! Package 1: why the device calls, who is signed in, what has happened, who it is.

use crate::{
    DeviceOptions, Quirk,
    account::Account,
    tree::{Tree, apps::JobAlert},
};
use qm_syncml::{Alert, Command, Edit, Item, Meta, alert};

/// An alert of 1226 that waits for its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingAlert {
    /// `Meta/Type`.
    pub(crate) kind: String,
    source: Option<String>,
    mark: Option<&'static str>,
    data: String,
}

impl PendingAlert {
    /// The user disconnects the account.
    pub(crate) fn unenroll() -> Self {
        Self {
            kind: "com.microsoft:mdm.unenrollment.userrequest".to_owned(),
            source: None,
            mark: Some("critical"),
            data: "1".to_owned(),
        }
    }

    /// A job has ended.
    pub(crate) fn job(alert: JobAlert, options: &DeviceOptions) -> Self {
        let code = alert.code.0;
        let data = if options.quirks.has(&Quirk::UnsignedCodes) {
            code.to_string()
        } else {
            code.cast_signed().to_string()
        };
        Self {
            kind: alert.kind.to_owned(),
            source: Some(alert.source),
            mark: None,
            data,
        }
    }

    fn command(&self) -> Command {
        let item = Item {
            source: self.source.clone(),
            meta: Meta {
                media_type: Some(self.kind.clone()),
                format: Some("int".to_owned()),
                mark: self.mark.map(str::to_owned),
                ..Meta::default()
            },
            data: Some(self.data.clone()),
            ..Item::default()
        };
        Command::Alert(Alert {
            code: alert::GENERIC,
            items: vec![item],
            cmd_id: String::new(),
        })
    }
}

/// What package 1 is made of.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) options: &'a DeviceOptions,
    pub(crate) account: &'a Account,
    pub(crate) tree: &'a Tree,
    pub(crate) device_id: &'a str,
    pub(crate) session_id: &'a str,
}

impl Opening<'_> {
    /// The commands of package 1, in Windows' order.
    pub(super) fn commands(&self, alerts: &[PendingAlert]) -> Vec<Command> {
        let start = Alert {
            code: alert::CLIENT_INITIATED,
            ..Alert::default()
        };
        let mut commands = vec![Command::Alert(start), self.login_status()];
        commands.extend(alerts.iter().map(PendingAlert::command));
        commands.push(self.device_information());
        commands
    }

    fn login_status(&self) -> Command {
        let item = Item {
            meta: Meta {
                media_type: Some("com.microsoft/MDM/LoginStatus".to_owned()),
                ..Meta::default()
            },
            data: Some(self.tree.login().as_str().to_owned()),
            ..Item::default()
        };
        Command::Alert(Alert {
            code: alert::CLIENT_EVENT,
            items: vec![item],
            cmd_id: String::new(),
        })
    }

    fn device_information(&self) -> Command {
        let documented = self.options.quirks.has(&Quirk::DevIdAsDocumented);
        let dev_id = if documented {
            "./DevInfo/DevID"
        } else {
            "./DevInfo/DevId"
        };
        let (maker, model) = &self.options.make;
        let leaves = [
            (dev_id, self.device_id),
            ("./DevInfo/Man", maker),
            ("./DevInfo/Mod", model),
            ("./DevInfo/DmV", "1.3"),
            ("./DevInfo/Lang", "en-US"),
        ];
        let item = |(uri, value): (&str, &str)| Item {
            source: Some(uri.to_owned()),
            data: Some(value.to_owned()),
            ..Item::default()
        };
        Command::Replace(Edit {
            items: leaves.into_iter().map(item).collect(),
            ..Edit::default()
        })
    }
}
