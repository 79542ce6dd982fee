//! `quartermaster deployments`

use super::{ClientError, Limit, answer::Answer, api::Api, text, wait};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use qm_admin_api::types::{Deployment, NewDeployment, Plan, PlannedCommand, Target, TargetQuery, Targets};
use qm_core::deployment::{Context, Intent, TargetState};
use serde_json::Value;
use uuid::Uuid;

/// What can be done with deployments.
#[derive(Debug, Subcommand)]
pub enum Deployments {
    /// List deployments, newest first
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one deployment
    Show {
        /// The deployment
        id: Uuid,
    },
    /// Bring an app to devices, or take it away
    Create {
        #[command(flatten)]
        wanted: Wanted,
        /// Repeating the command with the same key deploys only once
        #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
        idempotency_key: Option<String>,
        /// Wait until every device is through; exit status 1 where one was not reached
        #[arg(long)]
        wait: bool,
    },
    /// Show what a deployment would do; changes nothing
    Plan(Wanted),
    /// List the devices of a deployment with what became of each
    Targets {
        /// The deployment
        id: Uuid,
        /// Only those in this state
        #[arg(long, value_parser = PossibleValuesParser::new(TargetState::ALL.iter().map(|state| state.as_str())))]
        state: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Hold a deployment: nothing new is sent or assigned
    Pause {
        /// The deployment
        id: Uuid,
    },
    /// Go on with a paused deployment
    Resume {
        /// The deployment
        id: Uuid,
    },
    /// Stop a deployment where it is not finished, and give its seats back
    Cancel {
        /// The deployment
        id: Uuid,
    },
    /// Start failed, cancelled and not applicable targets again
    Retry {
        /// The deployment
        id: Uuid,
    },
}

/// Which app goes where.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("targets").required(true).multiple(true))]
pub struct Wanted {
    /// The app
    #[arg(long, value_name = "ID")]
    app: Uuid,
    /// What is meant
    #[arg(long, value_parser = PossibleValuesParser::new(Intent::ALL.iter().map(|intent| intent.as_str())))]
    intent: String,
    /// For everybody on the device, or for its enrolled user
    #[arg(long, value_parser = PossibleValuesParser::new(Context::ALL.iter().map(|context| context.as_str())))]
    context: String,
    /// To this device; may be repeated
    #[arg(long, value_name = "ID", group = "targets")]
    device: Vec<Uuid>,
    /// To the devices that are in this group now; may be repeated
    #[arg(long, value_name = "ID", group = "targets")]
    group: Vec<Uuid>,
    /// To the devices of this user; may be repeated
    #[arg(long, group = "targets")]
    upn: Vec<String>,
}

/// Carries out one of them.
pub async fn run(command: Deployments, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Deployments::List { limit } => Ok(Answer::list(
            api.list(&["deployments"], &(), limit).await?,
            HEADING,
            row,
        )),
        Deployments::Show { id } => Ok(Answer::of(
            api.get(&["deployments", &id.to_string()]).await?,
            details,
        )),
        Deployments::Create {
            wanted,
            idempotency_key,
            wait,
        } => create(wanted, idempotency_key.as_deref(), wait, api).await,
        Deployments::Plan(wanted) => {
            let plan = api
                .post(&["deployments", "plan"], &NewDeployment::from(wanted))
                .await?;
            Ok(Answer::of(plan, outlook))
        }
        Deployments::Targets { id, state, limit } => {
            let query = TargetQuery {
                state,
                ..TargetQuery::default()
            };
            let targets = api
                .list(&["deployments", &id.to_string(), "targets"], &query, limit)
                .await?;
            Ok(Answer::list(targets, TARGET_HEADING, target_row))
        }
        Deployments::Pause { id } => control(id, "pause", api).await,
        Deployments::Resume { id } => control(id, "resume", api).await,
        Deployments::Cancel { id } => control(id, "cancel", api).await,
        Deployments::Retry { id } => control(id, "retry", api).await,
    }
}

async fn create(wanted: Wanted, key: Option<&str>, wait: bool, api: &Api) -> Result<Answer, ClientError> {
    if wait && wanted.intent == Intent::Available.as_str() {
        return Err(ClientError::WaitForOffer);
    }
    let mut deployment = api
        .post_once(&["deployments"], &NewDeployment::from(wanted), key)
        .await?;
    let mut failure = None;
    if wait {
        let end = wait::until_over(api, &deployment, wait::INTERVAL).await?;
        failure = wait::shortfall(&end)?;
        deployment = end;
    }
    Ok(Answer::of(deployment, details).failing(failure))
}

async fn control(id: Uuid, verb: &str, api: &Api) -> Result<Answer, ClientError> {
    let deployment: Value = api.post_empty(&["deployments", &id.to_string(), verb]).await?;
    Ok(Answer::of(deployment, details))
}

impl From<Wanted> for NewDeployment {
    fn from(wanted: Wanted) -> Self {
        Self {
            app_id: wanted.app,
            intent: wanted.intent,
            context: wanted.context,
            targets: Targets {
                device_ids: some(wanted.device),
                group_ids: some(wanted.group),
                upns: some(wanted.upn),
            },
        }
    }
}

fn idempotency_key(text: &str) -> Result<String, &'static str> {
    let usable = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    usable
        .then(|| text.to_owned())
        .ok_or("a key has 1 to 255 visible ASCII characters")
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

const HEADING: &[&str] = &["id", "app", "intent", "context", "state", "created", "targets"];

fn row(deployment: Deployment) -> Vec<String> {
    let counts = counts(&deployment);
    vec![
        deployment.id.to_string(),
        deployment.app_id.to_string(),
        deployment.intent,
        deployment.context,
        deployment.state,
        deployment.created_at,
        counts,
    ]
}

fn details(deployment: Deployment) -> String {
    let counts = counts(&deployment);
    text::details([
        ("Id", deployment.id.to_string()),
        ("App", deployment.app_id.to_string()),
        ("Intent", deployment.intent),
        ("Context", deployment.context),
        ("State", deployment.state),
        ("Created", deployment.created_at),
        ("Targets", counts),
    ])
}

/// How many targets are in which state: `2 installed, 1 queued`.
pub fn counts(deployment: &Deployment) -> String {
    let counts: Vec<_> = deployment
        .counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    text::or_dash(Some(counts.join(", ")))
}

const TARGET_HEADING: &[&str] = &["device", "user", "state", "attempts", "updated", "error"];

fn target_row(target: Target) -> Vec<String> {
    let error = target
        .error
        .map(|error| format!("{}: {} {}", error.code, error.text, error.advice));
    vec![
        target.device_id.to_string(),
        target.upn,
        target.state,
        target.attempts.to_string(),
        target.updated_at,
        text::or_dash(error),
    ]
}

fn outlook(plan: Plan) -> String {
    let mut shown = text::details([
        ("Devices", plan.targets.to_string()),
        ("Not applicable", plan.not_applicable.len().to_string()),
        ("Seats needed", plan.seats_needed.to_string()),
        (
            "Seats available",
            text::or_dash(plan.seats_available.map(|seats| seats.to_string())),
        ),
        ("Bytes per device", plan.bytes_per_device.to_string()),
    ]);
    if !plan.not_applicable.is_empty() {
        let refusals = plan
            .not_applicable
            .into_iter()
            .map(|r| vec![r.device_id.to_string(), r.reason]);
        shown += &text::section("Not applicable", &text::table(&["device", "reason"], refusals));
    }
    if !plan.commands.is_empty() {
        let commands: Vec<_> = plan.commands.iter().map(planned).collect();
        shown += &text::section("Commands for one of the devices", &commands.join("\n"));
    }
    shown
}

fn planned(command: &PlannedCommand) -> String {
    let head = format!("{} {}", text::line(&command.verb), text::line(&command.uri));
    match &command.data {
        Some(data) => format!("{head}\n{}", text::block(data, 4)),
        None => head,
    }
}
