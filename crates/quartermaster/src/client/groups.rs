//! `quartermaster groups`

use super::{ClientError, Limit, answer::Answer, api::Api, text};
use clap::Subcommand;
use qm_admin_api::types::{Group, Members, NewGroup};
use uuid::Uuid;

/// What can be done with groups.
#[derive(Debug, Subcommand)]
pub enum Groups {
    /// List groups
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Make a group
    Create {
        /// Its name, which no other group has
        name: String,
    },
    /// Say who the members of a group are; who is not named is no member any more
    Members {
        /// The group
        id: Uuid,
        /// Its devices
        #[arg(value_name = "DEVICE", required_unless_present = "none")]
        devices: Vec<Uuid>,
        /// Leave the group without members
        #[arg(long, conflicts_with = "devices")]
        none: bool,
    },
}

/// Carries out one of them.
pub async fn run(command: Groups, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Groups::List { limit } => {
            let groups = api.list(&["groups"], &(), limit).await?;
            Ok(Answer::list(groups, &["id", "name", "members"], row))
        }
        Groups::Create { name } => Ok(Answer::of(
            api.post(&["groups"], &NewGroup { name }).await?,
            details,
        )),
        Groups::Members { id, devices, none: _ } => {
            let members = Members { device_ids: devices };
            Ok(Answer::of(
                api.put(&["groups", &id.to_string(), "members"], &members).await?,
                details,
            ))
        }
    }
}

fn row(group: Group) -> Vec<String> {
    vec![group.id.to_string(), group.name, group.members.len().to_string()]
}

fn details(group: Group) -> String {
    let members: Vec<_> = group.members.iter().map(Uuid::to_string).collect();
    text::details([
        ("Id", group.id.to_string()),
        ("Name", group.name),
        ("Members", text::or_dash(Some(members.join(" ")))),
    ])
}
