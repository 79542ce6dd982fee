//! Two servers on one PostgreSQL; the clock of one machine is wrong.

use crate::{
    admin::server::{Server, server_with},
    device::{TestDevice, request},
};
use qm_core::{
    Clock, JobId, PageRequest, Rng,
    app::LicenseKind,
    command::CommandState,
    job::{JobKind, LeasedJob},
};
use qm_db::{
    DbError, Engine,
    jobs::{self, Claim, NewJob},
    run,
    test_support::test_databases,
};
use qm_orchestrator::{commands::Request, devices::Filter, tokens::NewToken};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
/// In seconds, to either side.
const WRONG_BY: [i64; 4] = [300, 7200, -300, -7200];
const LEASE: Duration = MINUTE;

/// A server whose clock is right and one whose clock is wrong by so much, or nothing where there is no PostgreSQL. Both have
/// looked at the database's clock.
async fn pair(wrong_by: i64) -> Option<[Server; 2]> {
    let databases = test_databases().await.into_iter();
    let (engine, db) = databases
        .filter(|(_, db)| db.engine() == Engine::Postgres)
        .last()?;
    let now = Clock::system().now().as_millis();
    let mut pair = Vec::new();
    for (seed, off) in [(1, wrong_by), (2, 0)] {
        let clock = Clock::mock(qm_core::Timestamp::from_millis(now + off * 1000)).adjustable();
        let server = server_with(engine, db.clone(), clock, Rng::seeded(seed), |_, _, _| None).await;
        server.orchestrator.agree_on_time().await.unwrap();
        pair.push(server);
    }
    pair.reverse();
    pair.try_into().ok()
}

async fn queue(server: &Server, name: &str) {
    let app = server.app(name, LicenseKind::Online).await;
    let now = server.clock.now();
    let job = NewJob {
        id: JobId::new(now, &server.rng),
        kind: JobKind::Seats,
        key: app.id.to_string(),
        payload: String::new(),
        run_at: now,
        created_at: now,
    };
    let queued: Result<_, DbError> = run!(server.db, "test", |tx| jobs::enqueue(tx, &job).await);
    queued.unwrap();
}

/// The job is begun, and nothing more is heard of it.
async fn lease(server: &Server) -> Vec<LeasedJob> {
    let now = server.clock.now();
    let claim = Claim {
        kinds: &[JobKind::Seats],
        now,
        lease_until: now + LEASE,
        token: qm_core::id::uuid_v7(now, &server.rng),
        limit: 1,
    };
    let leased: Result<_, DbError> = run!(server.db, "test", |tx| jobs::claim(tx, claim).await);
    leased.unwrap()
}

async fn works(server: &Server) -> bool {
    server.orchestrator.run_due_jobs(&[JobKind::Seats]).await.unwrap()
}

#[tokio::test]
async fn a_lease_is_as_long_for_a_server_whose_clock_is_wrong() {
    for wrong_by in WRONG_BY {
        let Some([right, wrong]) = pair(wrong_by).await else {
            return;
        };
        for (holder, other) in [(&right, &wrong), (&wrong, &right)] {
            queue(holder, &format!("App{}", holder.clock.now())).await;
            // Whichever of the two looks a little earlier.
            right.clock.advance(MINUTE);
            wrong.clock.advance(MINUTE);
            assert_eq!(lease(holder).await.len(), 1, "{wrong_by}");
            assert!(
                !works(other).await,
                "{wrong_by}: a job was taken from whoever works on it"
            );
            other.clock.advance(2 * LEASE);
            assert!(works(other).await, "{wrong_by}: a job was not taken over");
            holder.clock.advance(2 * LEASE);
        }
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_takes_no_session_for_silent() {
    for wrong_by in WRONG_BY {
        let Some([right, wrong]) = pair(wrong_by).await else {
            return;
        };
        let mut device = TestDevice::enroll(&right, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&right).await;
        let devices = right
            .orchestrator
            .devices(Filter::default(), PageRequest::first(1));
        let id = devices.await.unwrap().items[0].device.id;
        let reboot = Request {
            verb: "exec".into(),
            uri: "./Vendor/MSFT/Reboot/RebootNow".into(),
            ..Request::default()
        };
        let reboot = right.orchestrator.queue_command(&right.caller, id, reboot);
        let reboot = reboot.await.unwrap().id;
        device.session += 1;
        let told = device.post(&right, &device.first(vec![])).await.unwrap();
        wrong.orchestrator.run_schedule().await.unwrap();
        let answer = device.carry_out(&told).unwrap();
        device.post(&wrong, &answer).await.unwrap();
        let done = wrong.orchestrator.command(id, reboot).await.unwrap();
        assert_eq!(done.state, CommandState::Done, "{wrong_by}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_as_long_at_a_server_whose_clock_is_wrong() {
    for wrong_by in WRONG_BY {
        let Some([right, wrong]) = pair(wrong_by).await else {
            return;
        };
        let wanted = NewToken {
            upn: "mara@fabrik.example".to_owned(),
            max_uses: 2,
            expires_in: 3 * MINUTE,
        };
        let created = right.orchestrator.create_enrollment_token(&right.caller, wanted);
        let (_, token) = created.await.unwrap();
        let device = |name| request("mara@fabrik.example", token.expose(), name);
        let enrolled = wrong.orchestrator.enroll(&device("DEVICE-1"), None).await;
        assert!(enrolled.is_ok(), "{wrong_by}: {:?}", enrolled.err());
        wrong.clock.advance(5 * MINUTE);
        let late = wrong.orchestrator.enroll(&device("DEVICE-2"), None).await;
        assert!(late.is_err(), "{wrong_by}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_more_than_a_day_is_left_as_it_is() {
    let Some([right, wrong]) = pair(3 * 24 * 3600).await else {
        return;
    };
    assert_eq!(wrong.clock.own(), Some(wrong.clock.now()));
    assert!(wrong.clock.now().since(right.clock.now()) > Duration::from_hours(48));
}
