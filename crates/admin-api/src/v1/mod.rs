//! One file for each endpoint; [`routes`] lists them all.

mod apps;
mod audit;
mod deployments;
mod devices;
mod enrollment_tokens;
mod groups;
mod seats;
mod store;

use crate::Api;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Every route below `/api/v1`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(enrollment_tokens::create))
        .routes(routes!(devices::list::list))
        .routes(routes!(devices::find::find, devices::delete::delete))
        .routes(routes!(devices::apps::apps))
        .routes(routes!(devices::commands::list, devices::commands::create))
        .routes(routes!(devices::commands::find))
        .routes(routes!(devices::exchanges::exchanges))
        .routes(routes!(store::sync::sync))
        .routes(routes!(store::status::status))
        .routes(routes!(apps::list::list))
        .routes(routes!(apps::find::find))
        .routes(routes!(apps::icon::icon))
        .routes(routes!(apps::upload::upload))
        .routes(routes!(seats::list))
        .routes(routes!(groups::create::create, groups::list::list))
        .routes(routes!(groups::members::members))
        .routes(routes!(deployments::list::list, deployments::create::create))
        .routes(routes!(deployments::plan::plan))
        .routes(routes!(deployments::find::find))
        .routes(routes!(deployments::targets::targets))
        .routes(routes!(deployments::control::pause))
        .routes(routes!(deployments::control::resume))
        .routes(routes!(deployments::control::cancel))
        .routes(routes!(deployments::control::retry))
        .routes(routes!(audit::list))
}
