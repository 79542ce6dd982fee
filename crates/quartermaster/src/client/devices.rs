//! `quartermaster devices`

use super::{ClientError, Limit, answer::Answer, api::Api, text};
use clap::{Subcommand, builder::PossibleValuesParser};
use qm_admin_api::types::{DeleteDevice, Device, DeviceApp, DeviceQuery, Exchange};
use uuid::Uuid;

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub enum Devices {
    /// List devices, newest enrollment first
    List {
        /// Only this user's
        #[arg(long)]
        upn: Option<String>,
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(["enrolled", "unenrolled"]))]
        state: Option<String>,
        /// Only those with this text in name, user, model or hardware id
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one device
    Show {
        /// The device
        id: Uuid,
    },
    /// List the apps that a device reports
    Apps {
        /// The device
        id: Uuid,
        #[command(flatten)]
        limit: Limit,
    },
    /// Tell a device to leave
    Unenroll {
        /// The device
        id: Uuid,
        /// Shut it out at once, without telling it: for devices that are lost
        #[arg(long)]
        force: bool,
    },
    /// Show the last management messages of a device, both ways, newest first
    Exchanges {
        /// The device
        id: Uuid,
        #[command(flatten)]
        limit: Limit,
    },
}

/// Carries out one of them.
pub async fn run(command: Devices, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Devices::List { upn, state, q, limit } => {
            let query = DeviceQuery {
                upn,
                state,
                q,
                ..DeviceQuery::default()
            };
            Ok(Answer::list(
                api.list(&["devices"], &query, limit).await?,
                HEADING,
                row,
            ))
        }
        Devices::Show { id } => Ok(Answer::of(api.get(&["devices", &id.to_string()]).await?, details)),
        Devices::Apps { id, limit } => {
            let apps = api
                .list(&["devices", &id.to_string(), "apps"], &(), limit)
                .await?;
            Ok(Answer::list(apps, APP_HEADING, app_row))
        }
        Devices::Unenroll { id, force } => unenroll(id, force, api).await,
        Devices::Exchanges { id, limit } => {
            let exchanges = api
                .list(&["devices", &id.to_string(), "exchanges"], &(), limit)
                .await?;
            Ok(Answer::items(exchanges, |exchanges: Vec<Exchange>| {
                conversation(&exchanges)
            }))
        }
    }
}

async fn unenroll(id: Uuid, force: bool, api: &Api) -> Result<Answer, ClientError> {
    let query = DeleteDevice {
        force: force.then_some(true),
    };
    api.delete(&["devices", &id.to_string()], &query).await?;
    Ok(Answer::done(if force {
        "The device is shut out: its certificate opens nothing any more."
    } else {
        "The device will be told to leave when it calls in next."
    }))
}

const HEADING: &[&str] = &["id", "name", "user", "state", "windows", "model", "last seen"];

fn row(device: Device) -> Vec<String> {
    vec![
        device.id.to_string(),
        device.name,
        device.upn,
        device.state,
        text::or_dash(device.os_version),
        text::or_dash(device.model),
        text::or_dash(device.last_seen_at),
    ]
}

fn details(device: Device) -> String {
    let certificate = device
        .certificate
        .map(|c| format!("{}, until {}", c.thumbprint, c.not_after));
    text::details([
        ("Id", device.id.to_string()),
        ("Name", device.name),
        ("User", device.upn),
        ("State", device.state),
        (
            "Enrolled",
            format!("{} ({})", device.enrollment.at, device.enrollment.kind),
        ),
        ("Last seen", text::or_dash(device.last_seen_at)),
        ("Windows", text::or_dash(device.os_version)),
        ("Architecture", text::or_dash(device.architecture)),
        ("Manufacturer", text::or_dash(device.manufacturer)),
        ("Model", text::or_dash(device.model)),
        ("Hardware id", device.hardware_id),
        ("Certificate", text::or_dash(certificate)),
    ])
}

const APP_HEADING: &[&str] = &["family name", "version", "context", "source", "users"];

fn app_row(app: DeviceApp) -> Vec<String> {
    vec![
        app.package_family_name,
        app.version,
        app.context,
        text::or_dash(app.source),
        text::or_dash(app.users),
    ]
}

fn conversation(exchanges: &[Exchange]) -> String {
    exchanges.iter().map(exchange).collect::<Vec<_>>().join("\n\n")
}

fn exchange(exchange: &Exchange) -> String {
    format!(
        "{}  session {}, message {}\n  device\n{}\n  server\n{}",
        text::line(&exchange.at),
        text::line(&exchange.session_id),
        exchange.msg_id,
        text::block(&exchange.request, 4),
        text::block(&exchange.response, 4),
    )
}
