//! The alerts of a session (MS-MDM 2.2.7.2; OMA-DM alert codes 1200 to 1226).

use crate::app_management::{AppAlert, is_kind, read_alert};
use qm_core::Secret;
use qm_syncml::{Alert, Item, alert};

/// Who is signed in, as `com.microsoft/MDM/LoginStatus` tells at the start of each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The enrolled user: commands for `./User` may be sent.
    User,
    /// Somebody without an enrollment here.
    Others,
    /// Nobody.
    None,
}

/// What one item of an alert means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAlert {
    /// Who is signed in.
    LoginStatus(Login),
    /// The user disconnected the account. The device leaves whatever the answer is.
    UnenrolledByUser,
    /// Ends the session now.
    Abort,
    /// Asks for the rest of a package or a large object.
    NextMessage,
    /// Still busy with a slow request; expects no command.
    KeepAlive,
    /// A job for a packaged app has ended.
    App(AppAlert),
    /// Anything else; apps may raise alerts of their own.
    Other {
        /// The alert's code.
        code: u32,
        /// `Meta/Type`; empty where there was none.
        kind: String,
        /// The node it is about.
        source: Option<String>,
        /// Its text; may be an access token.
        data: Option<Secret<String>>,
    },
}

/// Reads an alert: one meaning for each of its items. 1200 and 1201 only open the session and mean nothing more.
pub fn read_session_alert(alert: &Alert) -> Vec<SessionAlert> {
    match alert.code {
        alert::SERVER_INITIATED | alert::CLIENT_INITIATED => Vec::new(),
        alert::SESSION_ABORT => vec![SessionAlert::Abort],
        alert::NEXT_MESSAGE => vec![SessionAlert::NextMessage],
        // Windows mixes the two codes: the type decides.
        code @ (alert::CLIENT_EVENT | alert::GENERIC) => {
            alert.items.iter().map(|item| event(code, item)).collect()
        }
        code if alert.items.is_empty() => vec![other(code, &Item::default())],
        code => alert.items.iter().map(|item| other(code, item)).collect(),
    }
}

fn event(code: u32, item: &Item) -> SessionAlert {
    let kind = item.meta.media_type.as_deref().unwrap_or_default();
    if is_kind(kind, "MDM/LoginStatus") {
        SessionAlert::LoginStatus(login(item.data.as_deref().unwrap_or_default()))
    } else if is_kind(kind, "mdm.unenrollment.userrequest") {
        SessionAlert::UnenrolledByUser
    } else if is_kind(kind, "mdm.requestpending") {
        SessionAlert::KeepAlive
    } else {
        // An unenrollment that lost its type (builds 1803 to 2004) lands here too: never act on it.
        read_alert(item).map_or_else(|| other(code, item), SessionAlert::App)
    }
}

/// A word we do not know gives no right to send commands for a user.
fn login(data: &str) -> Login {
    match data.trim().to_ascii_lowercase().as_str() {
        "user" => Login::User,
        "others" => Login::Others,
        _ => Login::None,
    }
}

fn other(code: u32, item: &Item) -> SessionAlert {
    SessionAlert::Other {
        code,
        kind: item.meta.media_type.clone().unwrap_or_default(),
        source: item.source.clone().or_else(|| item.target.clone()),
        data: item.data.clone().map(Secret::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use qm_core::{HResult, deployment::Context};
    use qm_syncml::Meta;

    fn item(kind: Option<&str>, source: &str, data: &str) -> Item {
        Item {
            source: Some(source.to_owned()).filter(|s| !s.is_empty()),
            meta: Meta {
                media_type: kind.map(str::to_owned),
                ..Meta::default()
            },
            data: Some(data.to_owned()),
            ..Item::default()
        }
    }

    fn read(code: u32, items: Vec<Item>) -> Vec<SessionAlert> {
        read_session_alert(&Alert {
            cmd_id: "2".to_owned(),
            code,
            items,
        })
    }

    #[test]
    fn reads_who_is_signed_in() {
        for (data, login) in [
            ("user", Login::User),
            (" Others ", Login::Others),
            ("none", Login::None),
            ("wizard", Login::None),
        ] {
            let alert = read(1224, vec![item(Some("com.microsoft/MDM/LoginStatus"), "", data)]);
            assert_eq!(alert, [SessionAlert::LoginStatus(login)], "{data}");
        }
    }

    #[test]
    fn reads_an_unenrollment_only_by_its_full_type() {
        let data = |kind| read(1226, vec![item(kind, "", "1")]);
        assert_eq!(
            data(Some("com.microsoft:mdm.unenrollment.userrequest")),
            [SessionAlert::UnenrolledByUser]
        );
        for kind in [
            None,
            Some("com.example.unenrollment.userrequest"),
            Some("xmdm.unenrollment.userrequest"),
        ] {
            assert!(
                matches!(data(kind)[..], [SessionAlert::Other { code: 1226, .. }]),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn codes_without_items_have_their_meaning() {
        assert_eq!(read(1201, vec![]), []);
        assert_eq!(read(1200, vec![]), []);
        assert_eq!(read(1222, vec![]), [SessionAlert::NextMessage]);
        assert_eq!(read(1223, vec![Item::default()]), [SessionAlert::Abort]);
        assert_eq!(read(1226, vec![]), []);
        assert!(matches!(
            read(1100, vec![])[..],
            [SessionAlert::Other { code: 1100, .. }]
        ));
    }

    #[test]
    fn one_alert_may_bring_several_events() {
        let slot = "./Vendor/MSFT/EnterpriseModernAppManagement/AppInstallation/Kestrel.Log_0pj3s1kq9hd7t/HostedInstall";
        let hosted = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result";
        let pending = "Reversed-Domain-Name:com.microsoft.mdm.requestpending";
        let installed = AppAlert::Installed {
            context: Context::Device,
            family_name: "Kestrel.Log_0pj3s1kq9hd7t".to_owned(),
            result: HResult::OK,
        };
        assert_eq!(
            read(
                1224,
                vec![item(Some(pending), "", "1"), item(Some(hosted), slot, "0")]
            ),
            [SessionAlert::KeepAlive, SessionAlert::App(installed)]
        );
    }

    #[test]
    fn a_token_is_kept_out_of_debug_output() {
        let alert = read(
            1224,
            vec![item(Some("com.microsoft/MDM/AADUserToken"), "", "eyJhbGciOi")],
        );
        assert!(
            matches!(&alert[..], [SessionAlert::Other { data: Some(token), .. }] if token.expose() == "eyJhbGciOi")
        );
        assert!(!format!("{alert:?}").contains("eyJ"), "{alert:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_alert_makes_it_panic(code in 1195_u32..1230, kind in ".{0,30}", source in ".{0,60}", data in ".{0,12}") {
            let items = [
                Some(kind.as_str()),
                Some("Reversed-Domain-Name:com.microsoft.mdm.EnterpriseAppUninstall.result"),
                Some("EnterpriseHostedAppInstall.result"),
                None,
            ];
            let _ = read(code, items.map(|kind| item(kind, &source, &data)).to_vec());
        }
    }
}
