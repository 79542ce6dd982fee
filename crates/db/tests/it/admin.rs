use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{
    ApiTokenId, AuditId, PageRequest,
    access::{ApiToken, AuditEntry, Role},
    circuit::{Circuit, CircuitState},
};
use qm_db::{
    Db, DbError, api_tokens, audit, idempotency,
    idempotency::{IdempotentReply, Reservation},
    settings, store_circuit, store_status,
    store_status::{StoreStatus, SyncState},
};

fn token(make: &Make) -> ApiToken {
    ApiToken {
        id: ApiTokenId(make.id()),
        name: "ci".to_owned(),
        role: Role::Operator,
        hash: make.digest(),
        created_at: NOON,
    }
}

#[tokio::test]
async fn api_tokens_are_found_by_their_hash() {
    on_both(async |db: &Db, make: &Make| {
        let (one, two) = (token(make), token(make));
        write(db, async |tx| {
            api_tokens::insert(tx, &one).await.unwrap();
            api_tokens::insert(tx, &two).await.unwrap();
            assert_eq!(
                api_tokens::find_by_hash(tx, &one.hash).await.unwrap(),
                Some(one.clone())
            );
            assert_eq!(api_tokens::find_by_hash(tx, &make.digest()).await.unwrap(), None);
            let page = api_tokens::list(tx, PageRequest::first(5)).await.unwrap();
            assert_eq!(page.items, [two, one.clone()]);
            assert!(api_tokens::delete(tx, one.id).await.unwrap());
            assert_eq!(api_tokens::find_by_hash(tx, &one.hash).await.unwrap(), None);
            assert!(!api_tokens::delete(tx, one.id).await.unwrap());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_audit_trail_runs_from_new_to_old() {
    on_both(async |db: &Db, make: &Make| {
        let entry = |seconds| AuditEntry {
            id: AuditId(make.id()),
            at: at(seconds),
            actor: "ci".to_owned(),
            action: "deployment.create".to_owned(),
            object: "42".to_owned(),
            detail: "{\"targets\":3}".to_owned(),
            source: (seconds > 1).then(|| "192.0.2.7".to_owned()),
        };
        let entries = [entry(1), entry(2), entry(3)];
        write(db, async |tx| {
            for entry in &entries {
                audit::insert(tx, entry).await.unwrap();
            }
            let page = audit::list(tx, PageRequest::first(2)).await.unwrap();
            assert_eq!(page.items, [entries[2].clone(), entries[1].clone()]);
            let next = PageRequest {
                limit: 2,
                after: page.next,
            };
            assert_eq!(audit::list(tx, next).await.unwrap().items, [entries[0].clone()]);
            assert_eq!(audit::purge(tx, at(3), 1).await.unwrap(), 1);
            assert_eq!(audit::purge(tx, at(3), 9).await.unwrap(), 1);
            assert_eq!(
                audit::list(tx, PageRequest::first(9)).await.unwrap().items,
                [entries[2].clone()]
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_keeps_its_first_answer() {
    on_both(async |db: &Db, make: &Make| {
        let (caller, other) = (token(make), token(make));
        let by = Reservation {
            token_id: caller.id,
            key: "k-1".to_owned(),
            reserved_at: NOON,
        };
        let late = Reservation {
            reserved_at: at(60),
            ..by.clone()
        };
        let request = make.digest();
        write(db, async |tx| {
            api_tokens::insert(tx, &caller).await.unwrap();
            api_tokens::insert(tx, &other).await.unwrap();
            assert!(idempotency::reserve(tx, &by, request).await.unwrap());
            assert!(!idempotency::reserve(tx, &late, request).await.unwrap());
            assert!(idempotency::carried_out(tx, &by).await.unwrap());
            assert!(!idempotency::carried_out(tx, &late).await.unwrap());
            assert!(idempotency::answer(tx, &by, 201, "{\"id\":1}").await.unwrap());
            assert!(!idempotency::answer(tx, &by, 409, "").await.unwrap());
            idempotency::release(tx, &by).await.unwrap();
            let kept = IdempotentReply {
                token_id: caller.id,
                key: "k-1".to_owned(),
                request_digest: request,
                status: 201,
                body: "{\"id\":1}".to_owned(),
                created_at: NOON,
            };
            assert_eq!(idempotency::find(tx, caller.id, "k-1").await.unwrap(), Some(kept));
            assert_eq!(idempotency::find(tx, other.id, "k-1").await.unwrap(), None);
            assert_eq!(idempotency::purge(tx, NOON, 9).await.unwrap(), 0);
            assert_eq!(idempotency::purge(tx, at(1), 9).await.unwrap(), 1);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_is_taken_over_only_from_work_that_left_no_trace() {
    on_both(async |db: &Db, make: &Make| {
        let caller = token(make);
        let reserved = |reserved_at| Reservation {
            token_id: caller.id,
            key: "k-1".to_owned(),
            reserved_at,
        };
        let (first, second, third) = (reserved(NOON), reserved(at(90)), reserved(at(900)));
        let request = make.digest();
        write(db, async |tx| {
            api_tokens::insert(tx, &caller).await.unwrap();
            assert!(idempotency::reserve(tx, &first, request).await.unwrap());
            let early = idempotency::take_over(tx, &second, request, NOON, at(-9)).await;
            assert!(!early.unwrap(), "still at work");
            let take = idempotency::take_over(tx, &second, request, at(30), at(-9)).await;
            assert!(take.unwrap());
            assert!(
                !idempotency::carried_out(tx, &first).await.unwrap(),
                "the slow first attempt must not commit"
            );
            assert!(idempotency::carried_out(tx, &second).await.unwrap());
            let take = idempotency::take_over(tx, &third, request, at(800), at(-9)).await;
            assert!(!take.unwrap(), "it was carried out");
            let take = idempotency::take_over(tx, &third, request, at(800), at(800)).await;
            assert!(take.unwrap(), "its time is over");
            idempotency::release(tx, &third).await.unwrap();
            assert_eq!(idempotency::find(tx, caller.id, "k-1").await.unwrap(), None);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_store_status_is_one_row() {
    on_both(async |db: &Db, _: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        let first = store_status::find(&mut tx).await.unwrap();
        assert_eq!(
            (first.state, first.products, first.last_success_at),
            (SyncState::Idle, 0, None)
        );
        let status = StoreStatus {
            state: SyncState::Failed,
            last_success_at: Some(NOON),
            last_error: Some("401".to_owned()),
            products: 12,
            seats_assigned: 34,
            modified_since: Some(at(-3600)),
        };
        store_status::update(&mut tx, &status).await.unwrap();
        assert_eq!(store_status::find(&mut tx).await.unwrap(), status);
    })
    .await;
}

#[tokio::test]
async fn the_circuit_is_one_row_and_closed_at_first() {
    on_both(async |db: &Db, _: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        assert_eq!(store_circuit::lock(&mut tx).await.unwrap(), Circuit::default());
        let open = Circuit {
            state: CircuitState::Open,
            since: Some(NOON),
            retry_at: Some(at(60)),
            reason: Some("the Store is out of order".to_owned()),
            failures: 3,
            openings: 2,
        };
        store_circuit::update(&mut tx, &open).await.unwrap();
        assert_eq!(store_circuit::find(&mut tx).await.unwrap(), open);
    })
    .await;
}

#[tokio::test]
async fn settings_are_kept_by_name_and_texts_with_nul_are_refused() {
    on_both(async |db: &Db, _: &Make| {
        let mut tx = db.begin("test").await.unwrap();
        assert_eq!(settings::find(&mut tx, "a").await.unwrap(), None);
        settings::set(&mut tx, "a", "1").await.unwrap();
        settings::set(&mut tx, "a", "2").await.unwrap();
        assert_eq!(settings::find(&mut tx, "a").await.unwrap().as_deref(), Some("2"));
        settings::delete(&mut tx, "a").await.unwrap();
        assert_eq!(settings::find(&mut tx, "a").await.unwrap(), None);
        assert!(matches!(
            settings::set(&mut tx, "a", "\0").await,
            Err(DbError::NulInText)
        ));
    })
    .await;
}
