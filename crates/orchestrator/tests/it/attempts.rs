//! Who guesses is held up; who knows is not.

use crate::{
    admin::server::{DAY, Server, servers},
    device::{request, token},
    sessions::told,
};
use qm_core::Sha256;
use qm_enrollment::FaultKind;
use qm_orchestrator::{
    EnrollError, TooManyFailures, UseCaseError,
    content::{Conditions, DownloadError},
    tokens::NewToken,
};
use std::{net::IpAddr, time::Duration};

const GUESSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
const OFFICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

#[tokio::test]
async fn wrong_api_tokens_are_listened_to_five_times() {
    for server in servers().await {
        let o = &server.orchestrator;
        let good = qm_orchestrator::access::create_api_token(
            &server.db,
            &server.clock,
            &server.rng,
            "ada",
            qm_core::access::Role::Viewer,
        )
        .await
        .unwrap();
        for _ in 0..20 {
            assert!(
                o.authenticate(good.expose(), Some(GUESSER))
                    .await
                    .unwrap()
                    .is_some()
            );
        }
        for _ in 0..5 {
            assert_eq!(o.authenticate("guess", Some(GUESSER)).await.unwrap(), None);
        }
        let blocked = o.authenticate(good.expose(), Some(GUESSER)).await;
        let Err(UseCaseError::TooManyFailures(wait)) = blocked else {
            panic!("{}: {blocked:?}", server.engine)
        };
        assert_eq!(wait, TooManyFailures(Duration::from_mins(2)));
        assert!(
            o.authenticate(good.expose(), Some(OFFICE))
                .await
                .unwrap()
                .is_some()
        );
        server.clock.advance(wait.0);
        assert!(
            o.authenticate(good.expose(), Some(GUESSER))
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn wrong_enrollment_tokens_hold_up_the_address_and_the_user_name() {
    for server in servers().await {
        let attempt = async |upn: &str, token: &str, from| {
            let request = request(upn, token, "DEVICE-1");
            server.orchestrator.enroll(&request, Some(from)).await
        };
        for n in 0..3 {
            let refused = attempt("mara@fabrik.example", &format!("guess {n}"), GUESSER).await;
            assert_eq!(told(refused.unwrap_err()), FaultKind::Authentication);
        }
        let good = token(&server, "mara@fabrik.example").await;
        let held_up = attempt("MARA@fabrik.example", &good, OFFICE).await;
        assert!(
            matches!(held_up, Err(EnrollError::TooManyFailures(_))),
            "the user name: {held_up:?}"
        );
        for n in 0..2 {
            let refused = attempt(&format!("user{n}@fabrik.example"), &good, GUESSER).await;
            assert_eq!(told(refused.unwrap_err()), FaultKind::Authentication);
        }
        let other = token(&server, "nils@fabrik.example").await;
        let held_up = attempt("nils@fabrik.example", &other, GUESSER).await;
        assert!(
            matches!(held_up, Err(EnrollError::TooManyFailures(_))),
            "the address: {held_up:?}"
        );
        server.clock.advance(Duration::from_mins(10));
        attempt("mara@fabrik.example", &good, OFFICE).await.unwrap();
    }
}

#[tokio::test]
async fn an_office_behind_one_address_enrolls_as_many_devices_as_it_likes() {
    for server in servers().await {
        let wanted = NewToken {
            upn: "depot@fabrik.example".to_owned(),
            max_uses: 30,
            expires_in: DAY,
        };
        let (_, token) = server
            .orchestrator
            .create_enrollment_token(&server.caller, wanted)
            .await
            .unwrap();
        let enroll = async |n: u32| {
            let request = request("depot@fabrik.example", token.expose(), &format!("DEVICE-{n}"));
            server.orchestrator.enroll(&request, Some(OFFICE)).await
        };
        for n in 0..30 {
            enroll(n).await.unwrap();
        }
        // The token is used up, which is no guess.
        for n in 30..40 {
            assert_eq!(told(enroll(n).await.unwrap_err()), FaultKind::Authentication);
        }
        let credential = request("depot@fabrik.example", token.expose(), "X").credential;
        let policy = server.orchestrator.may_enroll(&credential, Some(OFFICE)).await;
        assert!(policy.is_ok(), "{}: {policy:?}", server.engine);
    }
}

/// A hundred tries at once for a token that is good for three devices.
#[tokio::test]
async fn a_token_is_never_used_more_often_than_it_may_be() {
    for server in servers().await {
        let wanted = NewToken {
            upn: "depot@fabrik.example".to_owned(),
            max_uses: 3,
            expires_in: DAY,
        };
        let (_, token) = server
            .orchestrator
            .create_enrollment_token(&server.caller, wanted)
            .await
            .unwrap();
        let attempts = (0..25).map(|n| {
            let request = request("depot@fabrik.example", token.expose(), &format!("DEVICE-{n}"));
            let orchestrator = std::sync::Arc::clone(&server.orchestrator);
            tokio::spawn(async move { orchestrator.enroll(&request, Some(OFFICE)).await.is_ok() })
        });
        let mut enrolled = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            enrolled += u32::from(attempt.await.unwrap());
        }
        assert_eq!(enrolled, 3, "{}", server.engine);
    }
}

#[tokio::test]
async fn altered_links_are_listened_to_five_times_and_expired_ones_are_no_guesses() {
    for server in servers().await {
        let get = async |link: &str, from| download(&server, link, from).await;
        let link = server.orchestrator_link();
        for _ in 0..5 {
            let altered = link.replace("sig=", "sig=00");
            assert!(matches!(
                get(&altered, GUESSER).await,
                Err(DownloadError::Link(_))
            ));
        }
        let held_up = get(&link, GUESSER).await;
        assert!(
            matches!(held_up, Err(DownloadError::TooManyFailures(_))),
            "{}",
            server.engine
        );
        server.clock.advance(2 * DAY);
        for _ in 0..10 {
            assert!(matches!(get(&link, OFFICE).await, Err(DownloadError::Link(_))));
        }
    }
}

async fn download(server: &Server, link: &str, from: IpAddr) -> Result<(), DownloadError> {
    let (path, query) = link.split_once('?').unwrap();
    let mut segments = path.split('/').skip(2);
    let (sha256, name) = (segments.next().unwrap(), segments.next().unwrap());
    server
        .orchestrator
        .download(Some(from), sha256, name, query, Conditions::default())
        .await
        .map(|_| ())
}

impl Server {
    /// A link to nothing, signed with the server's key and good for a day.
    fn orchestrator_link(&self) -> String {
        let signer = qm_content::LinkSigner::new(qm_core::Secret::new([3; 32]));
        signer.link(&Sha256([1; 32]), "a.msix", self.clock.now() + DAY)
    }
}
