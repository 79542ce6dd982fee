//! The whole service gone, in each way in which that looks from outside.

use super::failure;
use crate::{
    connect::{config, connect, connect_with},
    setup::Setup,
};
use qm_core::app::AppState;
use qm_db::store_status::SyncState;
use qm_store_client::{RetryPolicy, StoreClient, StoreConfig};
use qm_store_sim::{Fault, FaultRule, RetryAfter};
use qm_store_sync::Mode;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn every_way_of_being_out_of_order_is_told_and_takes_nothing_away() {
    let cases: [(FaultRule, &str); 9] = [
        (Fault::status(500).always(), "status 500"),
        (Fault::status(503).always(), "status 503"),
        (Fault::status(408).always(), "fewer requests"),
        (Fault::throttled(900).always(), "fewer requests"),
        (
            Fault::Status {
                status: 429,
                retry_after: Some(RetryAfter::Date(900)),
            }
            .always(),
            "fewer requests",
        ),
        (Fault::status(410).always(), "retired"),
        (Fault::Html.always(), "an HTML page; check `base_url`"),
        (Fault::Redirect.always(), "a redirect"),
        (Fault::Drop.always(), "check network, DNS and proxy"),
    ];
    for setup in Setup::on_each(5).await {
        for (rule, words) in &cases {
            setup.full().await;
            setup.sim.inject(rule.clone());
            let (_, told) = failure(&setup).await;
            assert!(told.contains(words), "{rule:?}: {told}");
            assert_eq!(setup.status().await.products, 2);
            assert_eq!(setup.online().await.state, AppState::Available);
            setup.recover();
            setup.full().await;
            assert_eq!(setup.status().await.last_error, None, "{rule:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_stays_silent_or_trickles_is_given_up_in_time() {
    let given_up = async |turn: usize, fault: Fault| {
        let setup = Setup::in_turn(turn, 5).await;
        setup.full().await;
        setup.sim.inject(fault.always());
        let client = connect(config(&setup.sim), setup.clock.clone()).with_retries(HASTY);
        is_unreachable(&setup, client, "cannot be reached").await;
    };
    tokio::join!(given_up(0, Fault::Hang), given_up(1, Fault::Trickle));
}

/// Gives up after a second, so that the other requests of a test have time enough.
const HASTY: RetryPolicy = RetryPolicy {
    attempts: 2,
    attempt: Duration::from_secs(1),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(1),
    budget: Duration::from_secs(20),
};

/// A synchronization over this connection fails, and tells it so.
async fn is_unreachable(setup: &Setup, client: StoreClient, words: &str) {
    let error = setup
        .server_with(client)
        .synchronize(Mode::Full)
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(error.is_transient() && told.contains(words), "{told}");
    let status = setup.status().await;
    assert_eq!((status.state, status.products), (SyncState::Failed, 2));
    assert_eq!(setup.offline().await.state, AppState::Available);
}

/// A name service that knows no name.
struct NoNames;

impl reqwest::dns::Resolve for NoNames {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such host is known".into()) })
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_outage() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let elsewhere = StoreConfig {
            base_url: "https://bspmts.example/V1".to_owned(),
            ..config(&setup.sim)
        };
        let client = connect_with(elsewhere, setup.clock.clone(), |builder| {
            builder.dns_resolver(Arc::new(NoNames))
        });
        is_unreachable(&setup, client, "check network, DNS and proxy").await;
    }
}

#[tokio::test]
async fn a_failing_tls_handshake_is_an_outage() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let encrypted = StoreConfig {
            base_url: setup.sim.base_url().replace("http://", "https://"),
            ..config(&setup.sim)
        };
        let client = connect(encrypted, setup.clock.clone());
        is_unreachable(&setup, client, "check network, DNS and proxy").await;
    }
}

#[tokio::test]
async fn a_refused_connection_is_an_outage_of_the_authority_too() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.switch_off().await;
        let client = connect(config(&setup.sim), setup.clock.clone());
        is_unreachable(&setup, client, "token authority is not available").await;
        setup.sim.switch_on().await.unwrap();
        setup.full().await;
        assert_eq!(setup.status().await.state, SyncState::Idle);
    }
}
