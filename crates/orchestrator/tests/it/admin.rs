//! What administrators do: tokens, groups, repeated requests here; devices, catalogue and uploads in files of their own.

mod catalogue;
mod devices;
pub mod server;
mod uploads;

use qm_core::{DeviceId, PageRequest};
use qm_orchestrator::{
    Caller, UseCaseError,
    idempotency::{Claim, Stored},
    tokens::NewToken,
};
use server::{DAY, NOW, field, is_conflict, is_missing, servers};
use std::time::Duration;

#[tokio::test]
async fn an_enrollment_token_is_stored_as_its_digest() {
    for server in servers().await {
        let wanted = NewToken {
            upn: " Ada@Example.com".to_owned(),
            max_uses: 3,
            expires_in: Duration::from_mins(1),
        };
        let (id, text) = server
            .orchestrator
            .create_enrollment_token(&server.caller, wanted)
            .await
            .unwrap();
        let page = PageRequest::first(10);
        let tokens = qm_db::enrollment_tokens::list(&mut server.db.read().await.unwrap(), page)
            .await
            .unwrap();
        let [token] = tokens.items.as_slice() else {
            panic!("{tokens:?}")
        };
        assert_eq!(
            (token.id, token.upn.as_str(), token.max_uses),
            (id, "ada@example.com", 3),
            "{}",
            server.engine
        );
        assert_eq!(token.expires_at, NOW + Duration::from_mins(1));
        assert_ne!(token.hash.to_string(), *text.expose());
        let trail = server.orchestrator.audit_trail(page).await.unwrap().items;
        let [entry] = trail.as_slice() else {
            panic!("{trail:?}")
        };
        assert_eq!(
            (entry.actor.as_str(), entry.source.as_deref()),
            ("ops", Some("192.0.2.7"))
        );
        assert_eq!(
            (entry.action.as_str(), entry.object.clone()),
            ("enrollment_token.create", id.to_string())
        );
        assert!(!entry.detail.contains(text.expose().as_str()));
    }
}

#[tokio::test]
async fn group_names_are_unique_and_members_known() {
    for server in servers().await {
        let (a, b) = (
            server.device("LARCH-1", "ada@example.com").await,
            server.device("LARCH-2", "bob@example.com").await,
        );
        let group = server
            .orchestrator
            .create_group(&server.caller, "  Field staff ")
            .await
            .unwrap();
        assert_eq!((group.name.as_str(), group.members.len()), ("Field staff", 0));
        assert!(
            is_conflict(
                server
                    .orchestrator
                    .create_group(&server.caller, "Field staff")
                    .await
            ),
            "{}",
            server.engine
        );
        for bad in ["", " ", "a\u{0}b", &"x".repeat(101)] {
            assert_eq!(
                field(server.orchestrator.create_group(&server.caller, bad).await),
                "name"
            );
        }
        let set = async |devices| {
            server
                .orchestrator
                .set_members(&server.caller, group.id, devices)
                .await
        };
        let mut both = vec![a.id, b.id];
        both.sort_unstable();
        assert_eq!(set(vec![b.id, a.id, b.id]).await.unwrap().members, both);
        let unknown = DeviceId::new(NOW, &server.rng);
        match set(vec![a.id, unknown]).await {
            Err(UseCaseError::Invalid {
                field: "device_ids",
                problem,
            }) => {
                assert!(
                    problem.contains(&unknown.to_string()) && !problem.contains(&a.id.to_string()),
                    "{problem}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(field(set(vec![a.id; 100_001]).await), "device_ids");
        // A device that has left does not stand in the way of writing back what was read.
        server
            .orchestrator
            .remove_device(&server.caller, b.id, true)
            .await
            .unwrap();
        assert_eq!(set(both.clone()).await.unwrap().members, both);
        let groups = server
            .orchestrator
            .groups(PageRequest::first(10))
            .await
            .unwrap()
            .items;
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].members, both);
        let nowhere = qm_core::GroupId::new(NOW, &server.rng);
        assert!(is_missing(
            server
                .orchestrator
                .set_members(&server.caller, nowhere, vec![])
                .await
        ));
    }
}

#[tokio::test]
async fn an_answer_is_repeated_for_its_request_for_a_day() {
    for server in servers().await {
        let (o, caller) = (&server.orchestrator, &server.caller);
        let answer = Stored {
            status: 201,
            body: "{\"id\":1}".to_owned(),
        };
        let first = ours(o.claim_key(caller, "k1", "POST /groups {}").await);
        o.store_answer(&first, &answer).await.unwrap();
        let repeated = o.claim_key(caller, "k1", "POST /groups {}").await.unwrap();
        assert!(
            matches!(repeated, Claim::Answered(again) if again == answer),
            "{}",
            server.engine
        );
        assert!(is_conflict(
            o.claim_key(caller, "k1", "POST /groups {\"name\":1}").await
        ));
        let refused = ours(o.claim_key(caller, "k2", "POST /groups {}").await);
        o.release_key(&refused).await.unwrap();
        ours(o.claim_key(caller, "k2", "POST /groups {\"name\":1}").await);
        server.clock.advance(DAY + Duration::from_secs(1));
        ours(o.claim_key(caller, "k1", "POST /groups {\"name\":1}").await);
    }
}

#[tokio::test]
async fn repeats_at_the_same_time_are_carried_out_once() {
    for server in servers().await {
        let (o, caller) = (&server.orchestrator, &server.caller);
        let attempt = async || match o.claim_key(caller, "k1", "POST /groups").await.unwrap() {
            Claim::Ours(caller) => {
                let group = o.create_group(&caller, "Pilot").await.unwrap();
                // Others look now: the work is done, its answer is not stored yet.
                tokio::time::sleep(Duration::from_millis(150)).await;
                let answer = Stored {
                    status: 201,
                    body: group.id.to_string(),
                };
                o.store_answer(&caller, &answer).await.unwrap();
                answer
            }
            Claim::Answered(answer) => answer,
        };
        let (a, b, c) = tokio::join!(attempt(), attempt(), attempt());
        assert!(a == b && b == c, "{}", server.engine);
        let groups = o.groups(PageRequest::first(9)).await.unwrap().items;
        assert_eq!(groups.len(), 1, "{}", server.engine);
    }
}

#[tokio::test]
async fn work_that_was_interrupted_is_taken_over_unless_it_was_done() {
    for server in servers().await {
        let (o, caller) = (&server.orchestrator, &server.caller);
        let slow = ours(o.claim_key(caller, "k1", "POST /groups").await);
        server.clock.advance(Duration::from_mins(2));
        let quick = ours(o.claim_key(caller, "k1", "POST /groups").await);
        assert!(
            o.create_group(&slow, "Pilot").await.is_err(),
            "{}: the key is another's now",
            server.engine
        );
        o.create_group(&quick, "Pilot").await.unwrap();
        server.clock.advance(Duration::from_mins(2));
        assert!(
            is_conflict(o.claim_key(caller, "k1", "POST /groups").await),
            "{}: done, its answer lost",
            server.engine
        );
    }
}

#[tokio::test]
async fn after_a_crash_of_the_only_server_nobody_waits_for_what_it_left() {
    for server in servers().await {
        let (o, caller) = (&server.orchestrator, &server.caller);
        ours(o.claim_key(caller, "begun", "POST /groups").await);
        let done = ours(o.claim_key(caller, "done", "POST /groups").await);
        o.create_group(&done, "Pilot").await.unwrap();
        o.take_up_leases().await.unwrap();
        server.clock.advance(Duration::from_millis(1));
        ours(o.claim_key(caller, "begun", "POST /groups").await);
        let lost = o.claim_key(caller, "done", "POST /groups").await.unwrap_err();
        assert!(
            lost.to_string().contains("its answer was lost"),
            "{}: {lost}",
            server.engine
        );
    }
}

fn ours(claim: Result<Claim, UseCaseError>) -> Caller {
    match claim.unwrap() {
        Claim::Ours(caller) => caller,
        Claim::Answered(answer) => panic!("{answer:?}"),
    }
}
