//! What an answer, an alert, an inventory or a missed deadline changes.

use super::{MAX_ATTEMPTS, backoff, moved};
use crate::session::{Sight, Step};
use qm_core::{
    HResult, Timestamp, Version,
    app::Package,
    deployment::{Context, Intent, Target, TargetError, TargetState},
    device::InstalledApp,
};
use qm_csp::{
    app_management::SlotStatus,
    errors::{Explanation, RetryClass, explain, explain_status},
};
use qm_syncml::StatusCode;
use std::time::Duration;

/// The device's answer to one command of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The HRESULT behind it, where the device tells.
    pub original_error: Option<HResult>,
    /// What a poll read.
    pub slot: Option<SlotStatus>,
}

/// What an event does to a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The target as it is from now on, if it changed.
    pub target: Option<Target>,
    /// What the session is to remember of the target.
    pub seen: Option<Sight>,
}

impl Change {
    fn none() -> Self {
        Self::default()
    }
    fn to(target: Option<Target>) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }
    fn seen(sight: Sight) -> Self {
        Self {
            seen: Some(sight),
            ..Self::default()
        }
    }
    /// The job has ended, whether or not the device has acknowledged it before.
    fn ended(target: &Target, now: Timestamp) -> Self {
        let after = if target.intent == Intent::Uninstall {
            TargetState::Removing
        } else {
            TargetState::Installing
        };
        Self {
            target: moved(target, after, now),
            seen: Some(Sight::End),
        }
    }
    /// Whether the app inventory must be read: only it proves anything.
    pub fn verify(&self) -> bool {
        self.seen == Some(Sight::End)
    }
}

/// The device answered a command.
pub fn on_answer(target: &Target, step: Step, answer: &Answer, now: Timestamp) -> Change {
    match step {
        Step::License => on_license(target, answer, now),
        Step::Slot => on_slot(target, answer, now),
        Step::Install => on_install(target, answer, now),
        Step::Poll => on_poll(target, answer, now),
        Step::Remove => on_remove(target, answer, now),
    }
}

fn on_license(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    if target.state != TargetState::Queued {
        return Change::none();
    }
    if answer.status == StatusCode::OK || answer.status == StatusCode::ALREADY_EXISTS {
        let accepted = Target {
            license_accepted: true,
            error: None,
            updated_at: now,
            ..target.clone()
        };
        return Change::to(Some(accepted));
    }
    let counted = Target {
        attempts: target.attempts + 1,
        ..target.clone()
    };
    refused(&counted, answer, now)
}

/// A refused slot makes the Exec fail too; its own answer then decides. 418 is as good as 200. One that is only cleared
/// away before a removal decides nothing.
fn on_slot(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    let fine = answer.status.is_success() || answer.status == StatusCode::ALREADY_EXISTS;
    if fine || target.state != TargetState::Sent || target.intent == Intent::Uninstall {
        return Change::none();
    }
    refused(target, answer, now)
}

fn on_install(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    if target.state != TargetState::Sent {
        return Change::none();
    }
    if answer.status.is_success() {
        return Change::to(moved(target, TargetState::Installing, now));
    }
    refused(target, answer, now)
}

fn on_poll(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    if target.intent == Intent::Uninstall {
        return on_poll_before_removal(target, answer, now);
    }
    if !matches!(target.state, TargetState::Sent | TargetState::Installing) {
        return Change::none();
    }
    let sent = target.state == TargetState::Sent;
    match (&answer.slot, answer.status) {
        (Some(SlotStatus::Failed { error, description }), _) => {
            failed(target, *error, description.as_deref(), now)
        }
        (Some(SlotStatus::NotInstalled), _) | (None, StatusCode::NOT_FOUND) if sent => resend(target, now),
        (Some(SlotStatus::Installing | SlotStatus::NotInstalled), _) => Change {
            target: sent
                .then(|| moved(target, TargetState::Installing, now))
                .flatten(),
            seen: Some(Sight::AtWork),
        },
        (Some(SlotStatus::Installed), _) | (None, StatusCode::NOT_FOUND) => Change::ended(target, now),
        (None, _) => Change::none(),
    }
}

/// An installation at work would bring the app back after it was removed: it may end first, within a day.
fn on_poll_before_removal(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    let waited = now.is_due(target.updated_at, PATIENCE_WITH_INSTALLATIONS);
    match (target.state, &answer.slot) {
        (TargetState::Queued, Some(SlotStatus::Installing | SlotStatus::Installed)) if !waited => {
            Change::none()
        }
        (TargetState::Queued, Some(_)) => Change::seen(Sight::SlotLeft),
        (TargetState::Queued, None) => Change::seen(Sight::SlotFree),
        _ => Change::none(),
    }
}

fn on_remove(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    if target.state != TargetState::Sent {
        return Change::none();
    }
    if answer.status.is_success() {
        return Change::to(moved(target, TargetState::Removing, now));
    }
    if answer.status == StatusCode::NOT_FOUND {
        return Change::ended(target, now);
    }
    refused(target, answer, now)
}

/// The device reported the end of an installation or removal. It is a hint; the slot and the inventory prove it. While the
/// install command is not acknowledged, the alert is of an earlier job.
pub fn on_alert(target: &Target, result: HResult, now: Timestamp) -> Change {
    match target.state {
        TargetState::Installing | TargetState::Removing if !result.is_success() => {
            failed(target, result, None, now)
        }
        TargetState::Installing => Change::seen(Sight::Alerted),
        TargetState::Removing => Change::ended(target, now),
        _ => Change::none(),
    }
}

/// The app inventory of the target's context was read. Only after the end of the job (`seen`) does it prove an
/// installation: an app that is there before may be the one that an earlier removal is about to take away. And only then is
/// an app that is missing lost, not late, and one that was to go kept, not slow.
pub fn on_inventory(
    target: &Target,
    apps: &[InstalledApp],
    family_name: &str,
    wanted: Option<&Package>,
    seen: Option<Sight>,
    now: Timestamp,
) -> Change {
    let ended = matches!(seen, Some(Sight::End | Sight::Alerted));
    let rows: Vec<_> = apps
        .iter()
        .filter(|a| a.context == target.context && a.package_family_name.eq_ignore_ascii_case(family_name))
        .collect();
    match target.intent {
        Intent::Uninstall if target.state == TargetState::Removing && gone(&rows, target.context) => {
            Change::to(moved(target, TargetState::Removed, now).map(without_error))
        }
        Intent::Uninstall
            if target.state == TargetState::Removing
                && (ended || now.is_due(target.updated_at, PATIENCE_WITH_REMOVALS)) =>
        {
            kept(target, now)
        }
        Intent::Uninstall => Change::none(),
        _ if !ended || target.state != TargetState::Installing => Change::none(),
        _ if proves(&provisioned(rows, target.context), wanted) => {
            Change::to(moved(target, TargetState::Installed, now).map(without_error))
        }
        _ => lost(target, now),
    }
}

/// Unprovisioning leaves the app with the users who have it: the device then lists it as not provisioned.
fn gone(rows: &[&InstalledApp], context: Context) -> bool {
    rows.is_empty() || context == Context::Device && rows.iter().all(|r| r.provisioned == Some(false))
}

/// In device context, an app that only its users have is not the one that was provisioned.
fn provisioned(rows: Vec<&InstalledApp>, context: Context) -> Vec<&InstalledApp> {
    let all_users = |row: &&InstalledApp| context == Context::User || row.provisioned != Some(false);
    rows.into_iter().filter(all_users).collect()
}

/// A bundle's version is compared with bundle rows, a package's with package rows.
fn proves(rows: &[&InstalledApp], wanted: Option<&Package>) -> bool {
    let Some(wanted) = wanted else {
        return !rows.is_empty();
    };
    let like = |row: &&&InstalledApp| row.package_full_name.contains("_~_") == wanted.bundle;
    let mut alike = rows.iter().filter(like).peekable();
    if alike.peek().is_none() {
        return !rows.is_empty();
    }
    alike.any(|row| {
        row.package_full_name.eq_ignore_ascii_case(&wanted.full_name)
            || row.version.parse::<Version>().is_ok_and(|v| v >= wanted.version)
    })
}

/// A state has lasted too long.
pub fn on_deadline(target: &Target, now: Timestamp) -> Change {
    let text = match target.state {
        TargetState::Planned => "the app's content could not be prepared in time",
        TargetState::AwaitingSeat => "no seat became free in time",
        TargetState::Queued => "the device or its user did not call in in time",
        _ => "the device did not report an outcome in time",
    };
    let error = TargetError {
        code: "deadline".to_owned(),
        text: text.to_owned(),
        advice: "See what it waited for, mend that, then retry the deployment.".to_owned(),
    };
    Change::to(moved(target, TargetState::Failed, now).map(|t| Target {
        error: Some(error),
        ..t
    }))
}

/// The session ended before the device answered, and there is no job: it may never have heard the command, or be done
/// with it. Sent again, it does no harm; after many times the inventory decides.
fn resend(target: &Target, now: Timestamp) -> Change {
    if target.attempts >= MAX_ATTEMPTS {
        return Change::ended(target, now);
    }
    Change::to(moved(target, TargetState::Queued, now))
}

/// Slot gone, app not there: removed by its user, wrong user, device reset. Try again later.
fn lost(target: &Target, now: Timestamp) -> Change {
    let error = TargetError {
        code: "not_found_after_install".to_owned(),
        text: "the device finished the installation, but its inventory does not show the app".to_owned(),
        advice: "Check that the enrolled user is the one who signs in and did not remove the app.".to_owned(),
    };
    retry_later(target, error, MAX_ATTEMPTS, now)
}

/// The removal has ended, and the app is there: something holds or brings it back. Try again later.
fn kept(target: &Target, now: Timestamp) -> Change {
    let error = TargetError {
        code: "present_after_removal".to_owned(),
        text: "the device took the removal, but its inventory still shows the app".to_owned(),
        advice:
            "Check that nothing brings the app back (another management, a policy, its user), then retry the \
                 deployment."
                .to_owned(),
    };
    retry_later(target, error, MAX_ATTEMPTS, now)
}

fn refused(target: &Target, answer: &Answer, now: Timestamp) -> Change {
    match answer.original_error {
        Some(error) if !error.is_success() => failed(target, error, None, now),
        _ => {
            let explanation = explain_status(answer.status, qm_core::command::Verb::Exec);
            let error = describe(format!("syncml-{}", answer.status), &explanation, None);
            by_class(target, explanation.class, error, now)
        }
    }
}

fn failed(target: &Target, code: HResult, description: Option<&str>, now: Timestamp) -> Change {
    let explanation = explain(code);
    let gone_already = target.intent == Intent::Uninstall && code == HResult(0x8007_3CF1);
    if gone_already || (explanation.class == RetryClass::Satisfied && target.intent != Intent::Uninstall) {
        return Change::ended(target, now);
    }
    by_class(
        target,
        explanation.class,
        describe(code.to_string(), &explanation, description),
        now,
    )
}

fn by_class(target: &Target, class: RetryClass, error: TargetError, now: Timestamp) -> Change {
    match class {
        RetryClass::Transient => retry_later(target, error, MAX_ATTEMPTS, now),
        RetryClass::RepairOnce => retry_later(target, error, 2, now),
        RetryClass::Satisfied | RetryClass::Configuration | RetryClass::Permanent => {
            Change::to(fail(target, &error, now))
        }
    }
}

fn retry_later(target: &Target, error: TargetError, most: i64, now: Timestamp) -> Change {
    if target.attempts >= most {
        return Change::to(fail(target, &error, now));
    }
    let again = if target.state == TargetState::Queued {
        Some(target.clone())
    } else {
        moved(target, TargetState::Queued, now)
    };
    Change::to(again.map(|t| Target {
        not_before: Some(now + backoff(target.attempts)),
        error: Some(error),
        updated_at: now,
        ..t
    }))
}

fn fail(target: &Target, error: &TargetError, now: Timestamp) -> Option<Target> {
    moved(target, TargetState::Failed, now).map(|t| Target {
        error: Some(error.clone()),
        ..t
    })
}

fn describe(code: String, explanation: &Explanation, description: Option<&str>) -> TargetError {
    let text = match description.filter(|d| !d.trim().is_empty()) {
        Some(said) => format!("{}: {} (device: {said})", explanation.name, explanation.text),
        None => format!("{}: {}", explanation.name, explanation.text),
    };
    TargetError {
        code,
        text,
        advice: explanation.advice.to_owned(),
    }
}

fn without_error(target: Target) -> Target {
    Target {
        error: None,
        ..target
    }
}

/// How long an installation at work may hold up a removal.
const PATIENCE_WITH_INSTALLATIONS: Duration = Duration::from_hours(24);
/// How long a removal may take whose end the device does not report.
const PATIENCE_WITH_REMOVALS: Duration = Duration::from_hours(1);
