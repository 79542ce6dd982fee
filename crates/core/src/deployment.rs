//! Deployments and their targets, with the moves that a target's state may make.

use crate::{AppId, DeploymentId, DeviceId, PackageId, TargetId, Timestamp, text_enum};
use serde::{Deserialize, Serialize};

text_enum! {
    /// What a deployment is meant to achieve.
    pub enum Intent {
        /// Installed without asking.
        Required = "required",
        /// Offered; installed only when somebody asks for it.
        Available = "available",
        /// Removed, its seat given back.
        Uninstall = "uninstall",
    }
}
text_enum! {
    /// The scope of an installation: `./Device` or `./User`.
    pub enum Context {
        /// Provisioned for all users.
        Device = "device",
        /// For the enrolled user, while signed in.
        User = "user",
    }
}
text_enum! {
    /// Where a deployment stands as a whole.
    pub enum DeploymentState {
        /// Being carried out.
        Active = "active",
        /// Held: nothing new is sent or assigned.
        Paused = "paused",
        /// Every target is final.
        Completed = "completed",
        /// Stopped by an administrator.
        Cancelled = "cancelled",
    }
}
text_enum! {
    /// Where one (app, device) pair stands.
    pub enum TargetState {
        /// Accepted; preparations outside the device are due.
        Planned = "planned",
        /// Waits for a seat at the Store.
        AwaitingSeat = "awaiting_seat",
        /// Everything is ready; waits for the device (or its user) to call in.
        Queued = "queued",
        /// Commands have left; the device has not answered them.
        Sent = "sent",
        /// The device accepted and works.
        Installing = "installing",
        /// Proved by the device's inventory.
        Installed = "installed",
        /// Given up, with the error.
        Failed = "failed",
        /// Does not fit this device, with the reason.
        NotApplicable = "not_applicable",
        /// Stopped by an administrator or overtaken by a newer deployment.
        Cancelled = "cancelled",
        /// The device accepted the removal and works.
        Removing = "removing",
        /// Proved gone.
        Removed = "removed",
    }
}

impl TargetState {
    /// Whether nothing more will happen by itself.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Installed | Self::Failed | Self::NotApplicable | Self::Cancelled | Self::Removed
        )
    }

    /// Whether a target may go from this state to `next` under this intent.
    pub const fn can_become(self, next: Self, intent: Intent) -> bool {
        use TargetState as S;
        if self.is_final() {
            // A retry starts again from the beginning.
            return matches!(
                (self, next),
                (S::Failed | S::Cancelled | S::NotApplicable, S::Planned)
            );
        }
        match next {
            S::Failed | S::Cancelled | S::NotApplicable => true,
            S::Planned => false,
            // A seat can be lost before the install was sent.
            S::AwaitingSeat => matches!(self, S::Planned | S::Queued),
            S::Queued => !matches!(self, S::Queued),
            S::Sent => matches!(self, S::Queued),
            S::Installing => !matches!(intent, Intent::Uninstall) && matches!(self, S::Sent | S::Queued),
            S::Installed => {
                !matches!(intent, Intent::Uninstall) && matches!(self, S::Queued | S::Sent | S::Installing)
            }
            S::Removing => matches!(intent, Intent::Uninstall) && matches!(self, S::Sent | S::Queued),
            S::Removed => {
                matches!(intent, Intent::Uninstall) && matches!(self, S::Queued | S::Sent | S::Removing)
            }
        }
    }
}

/// What stands in the way of a target, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetError {
    /// An HRESULT (`0x80073CF3`), a SyncML status (`syncml-404`) or one of our own words (`no_package`).
    pub code: String,
    /// What happened.
    pub text: String,
    /// What to do about it.
    pub advice: String,
}

/// A deployment of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Primary key.
    pub id: DeploymentId,
    /// What is deployed.
    pub app_id: AppId,
    /// What is meant.
    pub intent: Intent,
    /// In which scope.
    pub context: Context,
    /// Where it stands.
    pub state: DeploymentState,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// One device of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Primary key.
    pub id: TargetId,
    /// Of which deployment.
    pub deployment_id: DeploymentId,
    /// Copied from the deployment.
    pub app_id: AppId,
    /// Copied from the deployment.
    pub intent: Intent,
    /// Copied from the deployment.
    pub context: Context,
    /// The device.
    pub device_id: DeviceId,
    /// The device's enrolled user: who gets the seat.
    pub upn: String,
    /// Where it stands.
    pub state: TargetState,
    /// How often commands were sent.
    pub attempts: i64,
    /// What went wrong last, or what it waits for.
    pub error: Option<TargetError>,
    /// The package chosen for this device, for hosted installs.
    pub package_id: Option<PackageId>,
    /// The device accepted the offline license in this scope.
    pub license_accepted: bool,
    /// Nothing is sent before this moment (spacing of retries).
    pub not_before: Option<Timestamp>,
    /// When the present state is given up.
    pub deadline: Option<Timestamp>,
    /// Last change.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_only_start_again() {
        for &from in TargetState::ALL.iter().filter(|s| s.is_final()) {
            for &to in TargetState::ALL {
                let restart = to == TargetState::Planned
                    && !matches!(from, TargetState::Installed | TargetState::Removed);
                assert_eq!(from.can_become(to, Intent::Required), restart, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn nothing_is_installed_before_it_was_ready() {
        for from in [TargetState::Planned, TargetState::AwaitingSeat] {
            for to in [TargetState::Sent, TargetState::Installing, TargetState::Installed] {
                assert!(!from.can_become(to, Intent::Required), "{from} -> {to}");
            }
        }
        assert!(!TargetState::Sent.can_become(TargetState::Installed, Intent::Uninstall));
        assert!(!TargetState::Sent.can_become(TargetState::Removed, Intent::Required));
    }
}
