//! The token endpoint, and tokens that the service refuses.

use super::failure;
use crate::setup::Setup;
use qm_db::store_status::SyncState;
use qm_store_sim::{
    Fault, Operation, RetryAfter, SimConfig, TokenError,
    catalogue::{demo, many},
};
use std::time::Duration;

#[tokio::test]
async fn lifetimes_come_as_text_or_number_and_may_be_forty_seconds() {
    for token_numbers in [false, true] {
        let make = || SimConfig {
            products: demo(5).unwrap(),
            token_numbers,
            token_lifetime: Duration::from_secs(40),
            ..SimConfig::default()
        };
        for setup in Setup::on_each_with(make).await {
            setup.full().await;
            setup.clock.advance(Duration::from_secs(20));
            setup.full().await;
            assert_eq!(setup.sim.count(Operation::Token), 1, "still good");
            setup.clock.advance(Duration::from_secs(15));
            setup.full().await;
            assert_eq!(setup.sim.count(Operation::Token), 2, "renewed before its end");
            let refused = setup.sim.requests().iter().any(|one| one.status == Some(401));
            assert!(!refused, "no request went out with a token that was over");
        }
    }
}

#[tokio::test]
async fn every_refusal_of_a_token_says_what_to_do_and_takes_nothing_away() {
    let table = [
        (TokenError::WrongSecret, "set `client_secret` to its value"),
        (TokenError::SecretExpired, "make a new one"),
        (TokenError::UnknownApplication, "check `client_id`"),
        (TokenError::UnknownTenant, "no directory `tenant_id`"),
        (TokenError::UnknownResource, "does not know `resource`"),
        (TokenError::ResourceDisabled, "switched off in the directory"),
        (TokenError::Unavailable, "try again later"),
    ];
    for setup in Setup::on_each(5).await {
        for (fault, words) in table {
            setup.full().await;
            setup.sim.revoke_tokens();
            setup.clock.advance(Duration::from_hours(2));
            setup.sim.inject(Fault::Token(fault).always());
            let (_, told) = failure(&setup).await;
            assert!(told.contains(words), "{fault:?}: {told}");
            assert_eq!(setup.status().await.products, 2, "{fault:?}");
            setup.recover();
        }
        setup.full().await;
        assert_eq!(setup.status().await.state, SyncState::Idle);
    }
}

#[tokio::test]
async fn an_authority_that_throttles_once_is_waited_for() {
    for when in [RetryAfter::Seconds(1), RetryAfter::Date(1)] {
        let setup = Setup::new(5).await;
        let fault = Fault::Status {
            status: 429,
            retry_after: Some(when),
        };
        setup.sim.inject(fault.on(Operation::Token));
        assert_eq!(setup.full().await.failures, []);
        assert_eq!(setup.sim.count(Operation::Token), 2);
    }
}

#[tokio::test]
async fn a_token_refused_once_in_mid_walk_is_replaced_and_the_walk_goes_on() {
    let make = || SimConfig {
        products: many(60),
        ..SimConfig::default()
    };
    for setup in Setup::on_each_with(make).await {
        setup
            .sim
            .inject(Fault::status(401).on(Operation::Inventory).after(1));
        setup
            .sim
            .inject(Fault::status(401).on(Operation::ProductDetails).after(20));
        let report = setup.full().await;
        assert_eq!((report.products, report.failures), (60, vec![]));
        assert_eq!(
            setup.sim.count(Operation::Inventory),
            4,
            "three pages, one of them twice"
        );
        assert_eq!(setup.sim.count(Operation::Token), 3);
    }
}

#[tokio::test]
async fn a_token_refused_always_ends_the_walk_and_keeps_the_catalogue() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.inject(Fault::status(401).always());
        let (error, told) = failure(&setup).await;
        assert!(
            !error.is_transient() && told.contains("`resource` and `tenant_id`"),
            "{told}"
        );
        assert_eq!(setup.status().await.products, 2);
    }
}

#[tokio::test]
async fn an_application_that_is_not_activated_is_told_where_to_activate_it() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.set_activated(false);
        let (error, told) = failure(&setup).await;
        assert!(
            !error.is_transient() && told.contains("Settings > Management tools"),
            "{told}"
        );
        assert_eq!(setup.status().await.products, 2);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_costs_a_new_token_and_nothing_else() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        // The Store's clock runs with ours here, so only our idea of the token's life is wrong.
        setup.sim.revoke_tokens();
        setup.full().await;
        setup.clock.advance(Duration::from_hours(24 * 400));
        assert_eq!(setup.full().await.failures, []);
        assert_eq!(setup.sim.count(Operation::Token), 3);
    }
}
