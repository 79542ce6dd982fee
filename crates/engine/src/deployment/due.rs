//! Which step a target is due for when its device calls, and the commands of that step.

use super::MAX_ATTEMPTS;
use crate::session::{Purpose, Sight, Step};
use qm_core::{
    Secret, TargetId, Timestamp,
    deployment::{Context, Intent, Target, TargetState},
};
use qm_csp::{CspCommand, app_management as csp};

/// What a target wants from the present session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Commands of this step.
    Step(Step),
    /// The app inventory, to see whether it is done.
    Inventory,
}

/// Decides the step. `fresh` is true while the session has not sent this target anything yet: what was sent in
/// this session is not asked after in the same session. A removal asks first whether an installation is at work, which
/// would bring the app back.
pub fn due(target: &Target, needs_license: bool, fresh: bool, seen: Option<Sight>, now: Timestamp) -> Due {
    if target.not_before.is_some_and(|at| now < at) {
        return Due::Nothing;
    }
    match (target.state, target.intent) {
        (TargetState::Queued, Intent::Uninstall) if may_remove(seen) => Due::Step(Step::Remove),
        (TargetState::Queued, Intent::Uninstall) if fresh => Due::Step(Step::Poll),
        (TargetState::Queued, Intent::Uninstall) => Due::Nothing,
        (TargetState::Queued, _) if needs_license && !target.license_accepted => Due::Step(Step::License),
        (TargetState::Queued, _) => Due::Step(Step::Install),
        (TargetState::Sent, Intent::Uninstall) if fresh && target.attempts < MAX_ATTEMPTS => {
            Due::Step(Step::Remove)
        }
        (TargetState::Sent, Intent::Uninstall) => Due::Nothing,
        // Its end was seen already: the inventory is what tells now.
        (TargetState::Installing, _) if seen == Some(Sight::End) => Due::Nothing,
        (TargetState::Sent | TargetState::Installing, _) if fresh => Due::Step(Step::Poll),
        (TargetState::Removing, _) if fresh => Due::Inventory,
        _ => Due::Nothing,
    }
}

fn may_remove(seen: Option<Sight>) -> bool {
    matches!(seen, Some(Sight::SlotFree | Sight::SlotLeft))
}

/// What the commands of a step are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Materials {
    /// `Name_PublisherId`.
    pub family_name: String,
    /// Where the device's inventory shows the app, or where it belongs by its signature.
    pub source: csp::Source,
    /// An installation that has failed or never began left its slot: it goes with the app.
    pub slot_left: bool,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// How an app reaches the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// By the Store, with the seat that the user holds.
    Store {
        /// The Store's product id.
        product_id: String,
        /// The Store's SKU id.
        sku_id: String,
    },
    /// From our content store.
    Hosted {
        /// Package and frameworks, by signed links.
        install: csp::HostedInstall,
        /// Content id and blob of the offline license.
        license: Option<(String, Secret<String>)>,
    },
}

/// The commands of a step in their order. Empty where the materials do not have what the step needs.
pub fn commands(
    target: TargetId,
    context: Context,
    step: Step,
    with: &Materials,
) -> Vec<(Purpose, CspCommand)> {
    let family = with.family_name.as_str();
    let purpose = |step| Purpose::Target { id: target, step };
    match (step, &with.delivery) {
        (
            Step::License,
            Delivery::Hosted {
                license: Some((content_id, blob)),
                ..
            },
        ) => {
            vec![(
                purpose(Step::License),
                csp::add_license(context, content_id, blob.expose()),
            )]
        }
        (Step::License | Step::Slot, _) => Vec::new(),
        (Step::Install, Delivery::Hosted { install, .. }) => vec![
            (purpose(Step::Slot), csp::add_slot(context, family)),
            (
                purpose(Step::Install),
                csp::hosted_install(context, family, install),
            ),
        ],
        (Step::Install, Delivery::Store { product_id, sku_id }) => vec![
            (purpose(Step::Slot), csp::add_slot(Context::User, family)),
            (
                purpose(Step::Install),
                csp::store_install(family, product_id, sku_id),
            ),
        ],
        (Step::Poll, _) => vec![(purpose(Step::Poll), csp::poll_slot(context, family))],
        (Step::Remove, _) => {
            let slot = (purpose(Step::Slot), csp::delete_slot(context, family));
            let app = (
                purpose(Step::Remove),
                csp::uninstall(context, with.source, family),
            );
            with.slot_left.then_some(slot).into_iter().chain([app]).collect()
        }
    }
}
