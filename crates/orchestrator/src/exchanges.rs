//! The last management messages of a device, kept for support with their secrets masked.

use crate::{Orchestrator, UseCaseError};
use qm_core::{DeviceId, Page, PageRequest};
use qm_db::{devices, exchanges};
use qm_syncml::{Alert, Command, Edit, Encoding, Item, Message, Meta, Results, Status, encode};

pub use qm_db::exchanges::Exchange;

impl Orchestrator {
    /// A device's last messages with their answers, newest first.
    pub async fn exchanges(
        &self,
        device: DeviceId,
        page: PageRequest,
    ) -> Result<Page<Exchange>, UseCaseError> {
        let mut conn = self.db.read().await?;
        devices::find(&mut conn, device)
            .await?
            .ok_or_else(|| UseCaseError::not_found("device", device))?;
        // Few are kept for each device, so that a page is cut out of all of them.
        let kept = exchanges::list(&mut conn, device, self.settings.exchanges_per_device).await?;
        let behind = |exchange: &Exchange| page.after.is_none_or(|after| exchange.id.0 < after);
        let rows = kept.into_iter().filter(behind).collect();
        Ok(Page::from_rows(rows, page.limit, |exchange| exchange.id.0))
    }
}

/// A message as XML, with what would open something to its reader replaced by stars: credentials, nonces, user tokens,
/// licenses, passwords and the signatures of links.
pub(crate) fn masked(message: &Message) -> String {
    let mut message = message.clone();
    if let Some(cred) = &mut message.header.cred {
        STARS.clone_into(&mut cred.data);
        mask_meta(&mut cred.meta);
    }
    mask_meta(&mut message.header.meta);
    mask_commands(&mut message.body);
    // PostgreSQL stores no NUL, and XML has none.
    String::from_utf8_lossy(&encode(Encoding::Xml, &message)).replace('\0', "")
}

fn mask_commands(commands: &mut [Command]) {
    for command in commands {
        match command {
            Command::Add(edit)
            | Command::Delete(edit)
            | Command::Exec(edit)
            | Command::Get(edit)
            | Command::Replace(edit) => mask_edit(edit),
            Command::Alert(alert) => mask_alert(alert),
            Command::Atomic(group) | Command::Sequence(group) => mask_commands(&mut group.commands),
            Command::Results(results) => mask_results(results),
            Command::Status(status) => mask_status(status),
            Command::Unknown { .. } => {}
        }
    }
}

fn mask_edit(edit: &mut Edit) {
    mask_meta(&mut edit.meta);
    edit.items.iter_mut().for_each(mask_item);
}

fn mask_results(results: &mut Results) {
    mask_meta(&mut results.meta);
    results.items.iter_mut().for_each(mask_item);
}

fn mask_status(status: &mut Status) {
    status.challenge.as_deref_mut().into_iter().for_each(mask_meta);
    status.items.iter_mut().for_each(mask_item);
}

fn mask_alert(alert: &mut Alert) {
    for item in &mut alert.items {
        mask_item(item);
        let kind = item.meta.media_type.as_deref().unwrap_or_default();
        if kind.to_ascii_lowercase().contains("usertoken") {
            mask_data(item);
        }
    }
}

fn mask_item(item: &mut Item) {
    mask_meta(&mut item.meta);
    let uri = item
        .target
        .as_deref()
        .or(item.source.as_deref())
        .unwrap_or_default();
    match leaf(uri).as_str() {
        "hostedinstall" => {
            let shown = item
                .data
                .take()
                .map(|data| without_queries(&data, item.more_data));
            item.data = shown;
        }
        name if SECRET_LEAVES.contains(&name) => mask_data(item),
        _ => {}
    }
}

fn mask_data(item: &mut Item) {
    if item.data.as_deref().is_some_and(|data| !data.is_empty()) {
        item.data = Some(STARS.to_owned());
    }
}

fn mask_meta(meta: &mut Meta) {
    if meta.next_nonce.is_some() {
        meta.next_nonce = Some(STARS.to_owned());
    }
}

/// A LocURI's last name, in lower case.
fn leaf(uri: &str) -> String {
    let path = uri.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// The document with `***` for the query of each link in its attributes. Of a chunk nobody can tell where attributes
/// begin, so that nothing of it is shown.
fn without_queries(document: &str, more_data: bool) -> String {
    if more_data || !document.trim_start().starts_with('<') {
        return STARS.to_owned();
    }
    let mut shown = String::with_capacity(document.len());
    let (mut quote, mut in_query) = (None, false);
    for c in document.chars() {
        if quote == Some(c) {
            (quote, in_query) = (None, false);
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        } else if quote.is_some() && c == '?' && !in_query {
            in_query = true;
            shown.push('?');
            shown.push_str(STARS);
        }
        if !in_query {
            shown.push(c);
        }
    }
    shown
}

const STARS: &str = "***";

/// Nodes whose value opens something: licenses, push addresses, passwords and keys of certificates, Wi-Fi and accounts.
const SECRET_LEAVES: [&str; 14] = [
    "aauthdata",
    "aauthsecret",
    "addlicense",
    "channeluri",
    "devicetoken",
    "passphrase",
    "password",
    "pfxcertblob",
    "pfxcertpassword",
    "recoverykey",
    "secret",
    "sharedkey",
    "symmetrickey",
    "wlanxml",
];

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::deployment::Context;
    use qm_csp::app_management::{HostedInstall, add_license, hosted_install};
    use qm_syncml::{Cred, Group, Header};

    fn shown(body: Vec<Command>) -> String {
        masked(&Message {
            body,
            last: true,
            ..Message::default()
        })
    }

    fn item(uri: &str, data: &str) -> Item {
        Item {
            data: Some(data.to_owned()),
            ..Item::target(uri)
        }
    }

    #[test]
    fn credentials_and_nonces_are_masked() {
        let meta = Meta {
            next_nonce: Some("gorse1".to_owned()),
            ..Meta::default()
        };
        let cred = Cred {
            meta: meta.clone(),
            data: "gorse2".to_owned(),
        };
        let status = Status {
            challenge: Some(Box::new(meta.clone())),
            cmd_id: "1".to_owned(),
            ..Status::default()
        };
        let edit = Edit {
            meta,
            items: vec![Item::target("./DevInfo/Man")],
            ..Edit::default()
        };
        let message = Message {
            header: Header {
                cred: Some(cred),
                source: "device-7".to_owned(),
                ..Header::default()
            },
            body: vec![Command::Status(status), Command::Get(edit)],
            last: true,
        };
        let shown = masked(&message);
        assert!(!shown.contains("gorse"), "{shown}");
        assert!(
            shown.contains("device-7") && shown.contains("./DevInfo/Man"),
            "{shown}"
        );
    }

    #[test]
    fn licenses_are_masked_wherever_they_are() {
        let license = add_license(Context::User, "c-1", "Z29yc2U=").into_syncml("4".to_owned());
        let atomic = Command::Atomic(Group {
            cmd_id: "3".to_owned(),
            commands: vec![license],
        });
        let shown = shown(vec![Command::Sequence(Group {
            cmd_id: "2".to_owned(),
            commands: vec![atomic],
        })]);
        assert!(!shown.contains("Z29yc2U"), "{shown}");
        assert!(
            shown.contains("StoreLicenses/c-1/AddLicense") && shown.contains("***"),
            "{shown}"
        );
    }

    #[test]
    fn links_lose_their_signature_and_keep_their_address() {
        let install = HostedInstall {
            package_uri: "https://mdm.example.com/content/ab/a.msix?exp=1&sig=gorse".to_owned(),
            dependencies: vec!["https://mdm.example.com/content/cd/b.appx?exp=2&sig=gorse".to_owned()],
            ..HostedInstall::default()
        };
        let command = hosted_install(Context::Device, "Larch.Notes_0000000000000", &install);
        let shown = shown(vec![command.into_syncml("2".to_owned())]);
        assert!(!shown.contains("gorse") && !shown.contains("exp="), "{shown}");
        assert!(
            shown.contains("/content/ab/a.msix?***") && shown.contains("/content/cd/b.appx?***"),
            "{shown}"
        );
    }

    #[test]
    fn queries_are_found_in_attributes_only() {
        for (document, expected) in [
            (
                "<?xml version='1.0'?><a b='x?y' c=\"z\"/>",
                "<?xml version='1.0'?><a b='x?***' c=\"z\"/>",
            ),
            ("<a b=\"it's?1?2\" c='3'>?4</a>", "<a b=\"it's?***\" c='3'>?4</a>"),
            ("/x.msix?sig=1\" c='3'>", "***"),
        ] {
            assert_eq!(without_queries(document, false), expected);
        }
        assert_eq!(without_queries("<a b='x?y", true), "***");
    }

    #[test]
    fn user_tokens_are_masked_and_other_alerts_are_shown() {
        let alert = |kind: &str, data: &str| {
            let meta = Meta {
                media_type: Some(kind.to_owned()),
                ..Meta::default()
            };
            let items = vec![Item {
                meta,
                data: Some(data.to_owned()),
                ..Item::default()
            }];
            Command::Alert(Alert {
                cmd_id: "2".to_owned(),
                code: 1224,
                items,
            })
        };
        let token = shown(vec![alert("com.microsoft/MDM/AADUserToken", "eyJnb3JzZQ")]);
        assert!(!token.contains("eyJnb3JzZQ"), "{token}");
        let login = shown(vec![alert("com.microsoft/MDM/LoginStatus", "user")]);
        assert!(login.contains("user"), "{login}");
    }

    #[test]
    fn secret_nodes_are_masked_in_both_directions() {
        let uri = "./Device/Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/k/PFXCertPassword";
        let replace = Edit {
            cmd_id: "2".to_owned(),
            items: vec![item(uri, "gorse")],
            ..Edit::default()
        };
        let answer = Item {
            source: Some(uri.to_owned()),
            target: None,
            ..item("", "gorse")
        };
        let results = Results {
            cmd_id: "3".to_owned(),
            items: vec![answer],
            ..Results::default()
        };
        let plain = Edit {
            cmd_id: "4".to_owned(),
            items: vec![item("./DevInfo/Man", "Larch")],
            ..Edit::default()
        };
        let shown = shown(vec![
            Command::Replace(replace),
            Command::Results(results),
            Command::Replace(plain),
        ]);
        assert!(!shown.contains("gorse"), "{shown}");
        assert!(shown.contains("Larch"), "{shown}");
    }
}
