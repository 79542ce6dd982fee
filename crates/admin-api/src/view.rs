//! Records as the API shows them.

use crate::types as t;
use qm_core::{
    Page,
    access::AuditEntry,
    app::{App, Package},
    command::{Command, CommandState},
    deployment::{Context, Deployment, Target, TargetState},
    device::InstalledApp,
    group::Group,
    seat::Seat,
};
use qm_orchestrator::{
    apps::AppDetail, deployments::DeploymentDetail, devices::DeviceDetail, exchanges::Exchange,
};

/// One page, each item shown by `view`.
pub fn list<T, U>(page: Page<T>, view: impl FnMut(T) -> U) -> t::List<U> {
    let page = page.map(view);
    t::List {
        items: page.items,
        next_cursor: page.next.map(|id| id.to_string()),
    }
}

/// A device with its certificate.
pub fn device(detail: DeviceDetail) -> t::Device {
    let DeviceDetail { device, certificate } = detail;
    t::Device {
        id: device.id.into(),
        name: device.name,
        upn: device.upn,
        state: if device.state.is_enrolled() {
            "enrolled"
        } else {
            "unenrolled"
        }
        .to_owned(),
        enrollment: t::DeviceEnrollment {
            kind: device.kind.to_string(),
            at: device.enrolled_at.to_string(),
        },
        os_version: device.os_version.map(|v| v.to_string()),
        manufacturer: device.manufacturer,
        model: device.model,
        hardware_id: device.hardware_id,
        last_seen_at: device.last_seen_at.map(|at| at.to_string()),
        certificate: certificate.map(|c| t::DeviceCertificate {
            thumbprint: c.thumbprint,
            not_after: c.not_after.to_string(),
        }),
        architecture: device.architecture.map(|a| a.to_string()),
    }
}

/// An app that a device reports.
pub fn device_app(app: InstalledApp) -> t::DeviceApp {
    t::DeviceApp {
        package_family_name: app.package_family_name,
        package_full_name: app.package_full_name,
        version: app.version,
        install_location: app.install_location,
        source: app.source,
        users: app.users,
        context: app.context.to_string(),
    }
}

/// A custom command.
pub fn command(command: Command) -> t::Command {
    let for_user = command
        .uri
        .get(..6)
        .is_some_and(|scope| scope.eq_ignore_ascii_case("./user"));
    let waits = if for_user { "user_sign_in" } else { "check_in" };
    t::Command {
        id: command.id.into(),
        verb: command.verb.to_string(),
        uri: command.uri,
        state: command.state.to_string(),
        waiting_for: (command.state == CommandState::Queued).then(|| waits.to_owned()),
        status: command.status,
        results: command
            .results
            .into_iter()
            .map(|r| t::CommandResult {
                uri: r.uri,
                format: r.format,
                data: r.data,
            })
            .collect(),
        created_at: command.created_at.to_string(),
        sent_at: command.sent_at.map(|at| at.to_string()),
        finished_at: command.finished_at.map(|at| at.to_string()),
    }
}

/// A management message with its answer.
pub fn exchange(exchange: Exchange) -> t::Exchange {
    t::Exchange {
        id: exchange.id.into(),
        at: exchange.at.to_string(),
        session_id: exchange.session_id,
        msg_id: exchange.msg_id,
        request: exchange.request,
        response: exchange.response,
    }
}

/// A group.
pub fn group(group: Group) -> t::Group {
    t::Group {
        id: group.id.into(),
        name: group.name,
        members: group.members.into_iter().map(Into::into).collect(),
    }
}

/// An app with its packages.
pub fn app(detail: AppDetail) -> t::App {
    let AppDetail {
        app,
        packages,
        icon_url,
    } = detail;
    t::App {
        id: app.id.into(),
        name: app.name.clone(),
        publisher: app.publisher.clone(),
        source: app.source.to_string(),
        license: app.license.to_string(),
        store: store_ids(&app),
        package_family_name: app.package_family_name.clone(),
        seats: app.seats.map(|s| t::Seats {
            total: s.total,
            assigned: s.assigned,
            available: s.available,
        }),
        packages: packages.into_iter().map(package).collect(),
        icon_url,
        state: app.state.to_string(),
    }
}

fn store_ids(app: &App) -> Option<t::StoreIds> {
    let (product_id, sku_id) = app.product_id.clone().zip(app.sku_id.clone())?;
    Some(t::StoreIds { product_id, sku_id })
}

fn package(package: Package) -> t::Package {
    t::Package {
        architecture: package.architecture_label(),
        sha256: package.sha256.map(|digest| digest.to_string()),
        file_name: package.file_name,
        version: package.version.to_string(),
        size: package.size,
        downloaded: package.sha256.is_some(),
        role: package.role.to_string(),
    }
}

/// A seat of the ledger.
pub fn seat(seat: Seat) -> t::Seat {
    t::Seat {
        app_id: seat.app_id.into(),
        upn: seat.upn,
        state: seat.state.to_string(),
        reason: seat.reason,
        since: seat.since.to_string(),
    }
}

/// A deployment with its counts.
pub fn deployment(detail: DeploymentDetail) -> t::Deployment {
    let DeploymentDetail { deployment, counts } = detail;
    let Deployment {
        id,
        app_id,
        intent,
        context,
        state,
        created_at,
        ..
    } = deployment;
    t::Deployment {
        id: id.into(),
        app_id: app_id.into(),
        intent: intent.to_string(),
        context: context.to_string(),
        state: state.to_string(),
        counts: counts
            .into_iter()
            .filter(|(_, n)| *n != 0)
            .map(|(s, n)| (s.to_string(), n))
            .collect(),
        created_at: created_at.to_string(),
    }
}

/// A target of a deployment.
pub fn target(target: Target) -> t::Target {
    t::Target {
        waiting_for: waiting_for(&target).map(str::to_owned),
        id: target.id.into(),
        device_id: target.device_id.into(),
        upn: target.upn,
        state: target.state.to_string(),
        attempts: target.attempts,
        error: target.error.map(|e| t::TargetError {
            code: e.code,
            text: e.text,
            advice: e.advice,
        }),
        updated_at: target.updated_at.to_string(),
    }
}

fn waiting_for(target: &Target) -> Option<&'static str> {
    match (target.state, target.context) {
        (TargetState::Planned, _) => Some("preparation"),
        (TargetState::AwaitingSeat, _) => Some("seat"),
        (TargetState::Queued, _) if target.not_before.is_some() => Some("retry"),
        (TargetState::Queued, Context::User) => Some("user_sign_in"),
        (TargetState::Queued | TargetState::Sent, _) => Some("check_in"),
        (TargetState::Installing | TargetState::Removing, _) => Some("proof"),
        _ => None,
    }
}

/// A line of the audit trail.
pub fn audit(entry: AuditEntry) -> t::AuditEntry {
    t::AuditEntry {
        id: entry.id.into(),
        at: entry.at.to_string(),
        actor: entry.actor,
        action: entry.action,
        object: entry.object,
        detail: serde_json::from_str(&entry.detail).unwrap_or_default(),
        source: entry.source,
    }
}
