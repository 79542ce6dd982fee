//! `GET /store/status`

use crate::{
    Api,
    error::ApiError,
    extract::Viewer,
    types::{StoreCircuit, StoreStatus},
};
use axum::{Json, extract::State};

/// How the synchronization with the Store stands
#[utoipa::path(get, path = "/store/status", tag = "store", responses((status = 200, body = StoreStatus)))]
pub async fn status(State(api): State<Api>, _: Viewer) -> Result<Json<StoreStatus>, ApiError> {
    let (status, circuit) = api.orchestrator.store_status().await?;
    Ok(Json(StoreStatus {
        state: status.state.to_string(),
        last_success_at: status.last_success_at.map(|at| at.to_string()),
        last_error: status.last_error,
        products: status.products,
        seats_assigned: status.seats_assigned,
        circuit: StoreCircuit {
            state: circuit.state.to_string(),
            since: circuit.since.map(|at| at.to_string()),
            retry_at: circuit.retry_at.map(|at| at.to_string()),
            reason: circuit.reason,
        },
    }))
}
