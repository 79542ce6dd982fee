//! Operations on seats (6.7 to 6.12). What changes seats is never repeated by itself once it may have taken effect.

use crate::{
    AnswerProblem, BulkResult, Conflict, Fault, Missing, Operation, ProductKey, Seat, SeatAction, SeatState,
    StoreClient, StoreError, Walk,
    paging::{Listing, last_of_each},
    transport::Call,
};
use qm_store_model::{lenient::Fields, seat_in_state};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;

impl StoreClient {
    /// 6.7: who holds a seat of a product, all pages.
    pub async fn seats(&self, key: &ProductKey) -> Result<Walk<Seat>, StoreError> {
        let segments = vec!["Inventory", &key.product_id, &key.sku_id, "Seats"];
        let mut walk = self.seat_list(Operation::Seats, segments).await?;
        walk.items = last_of_each(walk.items, |seat| seat.upn.to_lowercase());
        Ok(walk)
    }

    /// 6.12: the seats of a user, all products, all pages.
    pub async fn user_seats(&self, upn: &str) -> Result<Walk<Seat>, StoreError> {
        let result = self
            .seat_list(Operation::UserSeats, vec!["Users", upn, "Seats"])
            .await;
        let mut walk = result.map_err(|error| match error {
            StoreError::NotFound { .. } => StoreError::UnknownUser,
            other => other,
        })?;
        walk.items = last_of_each(walk.items, |seat| (seat.upn.to_lowercase(), seat.key.clone()));
        Ok(walk)
    }

    /// 6.8: the seat of a user; `None` if there is none.
    pub async fn seat(&self, key: &ProductKey, upn: &str) -> Result<Option<Seat>, StoreError> {
        match self.one_seat(Operation::Seat, Method::GET, key, upn).await {
            Ok(json) => {
                let problem = AnswerProblem::NotAnObject;
                let fields = Fields::of(&json).ok_or(StoreError::BadAnswer {
                    operation: Operation::Seat,
                    problem,
                })?;
                Ok(Some(Seat::of(fields, upn.to_owned(), SeatState::Active)).filter(Seat::is_active))
            }
            Err(StoreError::NotFound {
                missing: Missing::User,
                ..
            }) => Err(StoreError::UnknownUser),
            Err(StoreError::NotFound {
                missing: Missing::Seat | Missing::Unsaid,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// 6.9: gives a user a seat. A seat that was there already is a success; a refusal is looked into before it is
    /// told ([`StoreError::NoSeatsLeft`], [`StoreError::UnknownUser`]).
    pub async fn assign_seat(&self, key: &ProductKey, upn: &str) -> Result<Seat, StoreError> {
        let operation = Operation::AssignSeat;
        match self.one_seat(operation, Method::POST, key, upn).await {
            // Carried out, but with an answer that proves nothing.
            Ok(json) => seat_in_state(&json, upn, &SeatState::Active).ok_or(StoreError::Ambiguous(operation)),
            Err(error @ StoreError::Forbidden(_)) => self.look_into_forbidden(key, upn, error).await,
            Err(error) if fault_of(&error).is_some() => self.look_into_refusal(key, upn, error).await,
            Err(error) => Err(error),
        }
    }

    /// 403 is about the connection, unless the seat may be read: then it is about the seat.
    async fn look_into_forbidden(
        &self,
        key: &ProductKey,
        upn: &str,
        error: StoreError,
    ) -> Result<Seat, StoreError> {
        if matches!(self.seat(key, upn).await, Err(StoreError::Forbidden(_))) {
            return Err(error);
        }
        let about_the_seat = match error {
            StoreError::Forbidden(fault) => StoreError::Refused {
                operation: Operation::AssignSeat,
                fault,
            },
            other => other,
        };
        self.look_into_refusal(key, upn, about_the_seat).await
    }

    /// 6.10: takes a user's seat back; `None` if there was none (any more), also where the user is gone.
    pub async fn reclaim_seat(&self, key: &ProductKey, upn: &str) -> Result<Option<Seat>, StoreError> {
        let operation = Operation::ReclaimSeat;
        match self.one_seat(operation, Method::DELETE, key, upn).await {
            // A DELETE may come without a body after all.
            Ok(Value::Null)
            | Err(StoreError::NotFound {
                missing: Missing::Seat | Missing::User | Missing::Unsaid,
                ..
            }) => Ok(None),
            Ok(json) => seat_in_state(&json, upn, &SeatState::Revoked)
                .map(Some)
                .ok_or(StoreError::Ambiguous(operation)),
            Err(error) => Err(error),
        }
    }

    /// 6.11: gives or takes the seats of up to [`MAX_BULK_USERS`] users of one product. Blank and repeated names are
    /// left out.
    pub async fn change_seats(
        &self,
        key: &ProductKey,
        action: SeatAction,
        upns: &[String],
    ) -> Result<BulkResult, StoreError> {
        let operation = Operation::BulkSeats;
        let mut seen = HashSet::new();
        let names: Vec<_> = upns
            .iter()
            .map(|upn| upn.trim())
            .filter(|upn| !upn.is_empty())
            .collect();
        let names: Vec<_> = names
            .into_iter()
            .filter(|upn| seen.insert(upn.to_lowercase()))
            .collect();
        if names.is_empty() || names.len() > MAX_BULK_USERS {
            return Err(StoreError::BatchSize { given: names.len() });
        }
        let segments = ["Inventory", &key.product_id, &key.sku_id, "Seats"];
        let url = self.inner.endpoints.url(operation, &segments, &[])?;
        let body = Some(json!({ "usernames": names, "seatAction": action.as_str() }));
        let answer = self
            .call(&Call {
                operation,
                method: Method::POST,
                url,
                body,
            })
            .await?;
        // Without a body every name is to be looked up.
        BulkResult::read(action, &answer.json).ok_or(StoreError::Ambiguous(operation))
    }

    async fn one_seat(
        &self,
        operation: Operation,
        method: Method,
        key: &ProductKey,
        upn: &str,
    ) -> Result<Value, StoreError> {
        let segments = ["Inventory", &key.product_id, &key.sku_id, "Seats", upn];
        let url = self.inner.endpoints.url(operation, &segments, &[])?;
        self.call(&Call {
            operation,
            method,
            url,
            body: None,
        })
        .await
        .map(|answer| answer.json)
    }

    async fn seat_list(&self, operation: Operation, segments: Vec<&str>) -> Result<Walk<Seat>, StoreError> {
        let read = Seat::read;
        let listing = Listing {
            operation,
            segments,
            query: Vec::new(),
            page_size: MAX_PAGE,
            list: "seats",
            read,
        };
        self.walk(&listing).await
    }

    /// The service documents neither "no seats left" nor "already assigned": the seat and the count decide.
    async fn look_into_refusal(
        &self,
        key: &ProductKey,
        upn: &str,
        error: StoreError,
    ) -> Result<Seat, StoreError> {
        if matches!(
            error,
            StoreError::Conflict {
                conflict: Conflict::NotOnline | Conflict::NotOwned,
                ..
            }
        ) {
            return Err(error);
        }
        match self.seat(key, upn).await {
            Ok(Some(seat)) => return Ok(seat),
            Err(found) if found == StoreError::UnknownUser || found.is_transient() => return Err(found),
            Ok(None) | Err(_) => {}
        }
        match &error {
            StoreError::NotFound {
                missing: Missing::User,
                ..
            } => Err(StoreError::UnknownUser),
            StoreError::NotFound {
                missing: Missing::Inventory | Missing::Product,
                ..
            } => Err(error),
            _ if fault_of(&error).is_some_and(Fault::tells_no_seats) => Err(StoreError::NoSeatsLeft),
            _ if self
                .inventory_entry(key)
                .await?
                .is_some_and(|entry| entry.is_exhausted()) =>
            {
                Err(StoreError::NoSeatsLeft)
            }
            _ => Err(error),
        }
    }
}

/// What the service said with a refusal of the request itself, not of the connection.
fn fault_of(error: &StoreError) -> Option<&Fault> {
    match error {
        StoreError::Conflict { fault, .. }
        | StoreError::NotFound { fault, .. }
        | StoreError::Refused { fault, .. } => Some(fault.as_ref()),
        _ => None,
    }
}

/// Users in one bulk call.
pub const MAX_BULK_USERS: usize = 25;
/// Seats on a page.
const MAX_PAGE: u32 = 100;
