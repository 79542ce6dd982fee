//! `quartermaster commands`

use super::{ClientError, Limit, answer::Answer, api::Api, text};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use qm_admin_api::types::{Command, CommandAccepted, NewCommand};
use qm_core::command::Verb;
use std::path::PathBuf;
use uuid::Uuid;

/// What can be done with commands.
#[derive(Debug, Subcommand)]
pub enum Commands {
    /// Queue a command; it leaves when the device calls in next
    Create(Create),
    /// List the commands of a device, newest first
    List {
        /// The device
        #[arg(long, value_name = "ID")]
        device: Uuid,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one command and what came of it
    Show {
        /// The device
        #[arg(long, value_name = "ID")]
        device: Uuid,
        /// The command
        id: Uuid,
    },
}

/// A command to queue.
#[derive(Debug, Args)]
pub struct Create {
    /// The device
    #[arg(long, value_name = "ID")]
    device: Uuid,
    /// What to do with the node
    #[arg(value_parser = PossibleValuesParser::new(Verb::ALL.iter().map(|verb| verb.as_str())))]
    verb: String,
    /// The node, for example ./DevDetail/SwV
    uri: String,
    /// Format of the data: chr, int, bool, b64, xml, node, …
    #[arg(long)]
    format: Option<String>,
    /// Type of the data, for example text/plain
    #[arg(long = "type", value_name = "TYPE")]
    media_type: Option<String>,
    /// The data, as it should reach the node
    #[arg(long, allow_hyphen_values = true, conflicts_with = "data_file")]
    data: Option<String>,
    /// Take the data from this file, a text in UTF-8, as it is
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
}

/// Carries out one of them.
pub async fn run(command: Commands, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Commands::Create(create) => queue(create, api).await,
        Commands::List { device, limit } => {
            let commands = api
                .list(&["devices", &device.to_string(), "commands"], &(), limit)
                .await?;
            Ok(Answer::list(commands, HEADING, row))
        }
        Commands::Show { device, id } => {
            let path = ["devices", &device.to_string(), "commands", &id.to_string()];
            Ok(Answer::of(api.get(&path).await?, details))
        }
    }
}

async fn queue(create: Create, api: &Api) -> Result<Answer, ClientError> {
    let Create {
        device,
        verb,
        uri,
        format,
        media_type,
        data,
        data_file,
    } = create;
    let data = match data_file {
        Some(file) => Some(text_of(file).await?),
        None => data,
    };
    let command = NewCommand {
        verb,
        uri,
        format,
        media_type,
        data,
    };
    let accepted = api
        .post(&["devices", &device.to_string(), "commands"], &command)
        .await?;
    let answer = Answer::of(accepted, |command: CommandAccepted| command.id.to_string());
    Ok(answer.note(format!(
        "It waits for the device; `quartermaster commands show --device {device} ID` tells what comes of it."
    )))
}

async fn text_of(file: PathBuf) -> Result<String, ClientError> {
    match tokio::fs::read(&file).await {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| ClientError::NotText(file)),
        Err(error) => Err(ClientError::File { file, error }),
    }
}

const HEADING: &[&str] = &["id", "verb", "uri", "state", "status", "created", "finished"];

fn row(command: Command) -> Vec<String> {
    vec![
        command.id.to_string(),
        command.verb.clone(),
        command.uri.clone(),
        state(&command),
        status(&command),
        command.created_at,
        text::or_dash(command.finished_at),
    ]
}

fn details(command: Command) -> String {
    let (state, status) = (state(&command), status(&command));
    let mut shown = text::details([
        ("Id", command.id.to_string()),
        ("Verb", command.verb),
        ("URI", command.uri),
        ("State", state),
        ("Status", status),
        ("Created", command.created_at),
        ("Sent", text::or_dash(command.sent_at)),
        ("Finished", text::or_dash(command.finished_at)),
    ]);
    if !command.results.is_empty() {
        let results = command
            .results
            .into_iter()
            .map(|result| vec![result.uri, result.format, result.data]);
        shown += &text::section("Results", &text::table(&["uri", "format", "data"], results));
    }
    shown
}

fn state(command: &Command) -> String {
    match &command.waiting_for {
        Some(event) => format!("{} ({event})", command.state),
        None => command.state.clone(),
    }
}

fn status(command: &Command) -> String {
    text::or_dash(command.status.map(|status| status.to_string()))
}
