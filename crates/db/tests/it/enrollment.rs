use crate::fixtures::{Make, NOON, at, on_both, write};
use qm_core::{EnrollmentTokenId, PageRequest, enrollment::EnrollmentToken};
use qm_db::{Db, DbError, enrollment_tokens as tokens, enrollment_tokens::EnrollmentReply};

fn token(make: &Make, max_uses: i64) -> EnrollmentToken {
    EnrollmentToken {
        id: EnrollmentTokenId(make.id()),
        upn: "ann@contoso.example".to_owned(),
        hash: make.digest(),
        max_uses,
        uses: 0,
        expires_at: at(60),
        created_at: NOON,
    }
}

#[tokio::test]
async fn a_token_is_used_as_often_as_it_allows_and_not_after_its_time() {
    on_both(async |db: &Db, make: &Make| {
        let (twice, other) = (token(make, 2), token(make, 5));
        write(db, async |tx| {
            tokens::insert(tx, &twice).await.unwrap();
            tokens::insert(tx, &other).await.unwrap();
            assert_eq!(
                tokens::find_by_hash(tx, &twice.hash).await.unwrap(),
                Some(twice.clone())
            );
            assert_eq!(tokens::find_by_hash(tx, &make.digest()).await.unwrap(), None);
            assert!(!tokens::take_use(tx, twice.id, at(60)).await.unwrap(), "expired");
            assert!(tokens::take_use(tx, twice.id, at(59)).await.unwrap());
            assert!(tokens::take_use(tx, twice.id, at(59)).await.unwrap());
            assert!(!tokens::take_use(tx, twice.id, at(59)).await.unwrap(), "used up");
            assert_eq!(
                tokens::find_by_hash(tx, &twice.hash).await.unwrap().unwrap().uses,
                2
            );
            let page = tokens::list(tx, PageRequest::first(1)).await.unwrap();
            assert_eq!((page.items, page.next), (vec![other.clone()], Some(other.id.0)));
        })
        .await;
        let mut tx = db.begin("test").await.unwrap();
        let same = EnrollmentToken {
            hash: other.hash,
            ..token(make, 1)
        };
        assert!(matches!(
            tokens::insert(&mut tx, &same).await,
            Err(DbError::Conflict { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn a_repeated_enrollment_finds_its_answer_as_long_as_the_token_lives() {
    on_both(async |db: &Db, make: &Make| {
        let token = token(make, 1);
        let reply = EnrollmentReply {
            token_id: token.id,
            dm_id: "dm-1".to_owned(),
            public_key: make.digest(),
            device_id: make.stored_device(db, "ann@contoso.example").await.id,
            response: b"<s:Envelope/>\xff".to_vec(),
            created_at: NOON,
        };
        write(db, async |tx| {
            tokens::insert(tx, &token).await.unwrap();
            tokens::insert_reply(tx, &reply).await.unwrap();
            let found = tokens::find_reply(tx, token.id, "dm-1", &reply.public_key)
                .await
                .unwrap();
            assert_eq!(found, Some(reply.clone()));
            assert_eq!(
                tokens::find_reply(tx, token.id, "dm-2", &reply.public_key)
                    .await
                    .unwrap(),
                None
            );
            assert_eq!(
                tokens::find_reply(tx, token.id, "dm-1", &make.digest())
                    .await
                    .unwrap(),
                None
            );
        })
        .await;
        write(db, async |tx| {
            assert_eq!(tokens::purge_expired(tx, at(60), 10).await.unwrap(), 0);
            assert_eq!(tokens::purge_expired(tx, at(61), 10).await.unwrap(), 1);
            assert_eq!(
                tokens::find_reply(tx, token.id, "dm-1", &reply.public_key)
                    .await
                    .unwrap(),
                None
            );
            assert!(!tokens::delete(tx, token.id).await.unwrap());
            tokens::insert(tx, &token).await.unwrap();
            assert!(tokens::delete(tx, token.id).await.unwrap());
        })
        .await;
    })
    .await;
}
