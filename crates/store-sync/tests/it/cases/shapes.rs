//! The same answers in every shape that the service has been seen, or may be expected, to give them.

use crate::setup::{Setup, USERS, online_key};
use qm_core::{app::LicenseKind, seat::SeatState};
use qm_db::store_status::SyncState;
use qm_store_sim::{Fault, Operation};

fn overwritten(field: &str, value: &str) -> Fault {
    Fault::Overwrite {
        field: field.to_owned(),
        value: value.into(),
    }
}

/// Synchronizes, gives out a seat and fetches packages, all with these faults.
async fn everything_works(setup: &Setup, faults: &[Fault]) {
    for fault in faults {
        setup.sim.inject(fault.clone().always());
    }
    let report = setup.full().await;
    assert_eq!((report.products, report.failures), (2, vec![]), "{faults:?}");
    let (online, offline) = (setup.online().await, setup.offline().await);
    assert_eq!(
        (online.license, offline.license),
        (LicenseKind::Online, LicenseKind::Offline)
    );
    assert_eq!(online.seats.unwrap().total, Some(5), "{faults:?}");
    assert!(online.package_family_name.is_some() && offline.package_family_name.is_some());

    setup.enter(online.id, SeatState::Assigning, &USERS[..3]).await;
    let round = setup.sync.seat_round(online.id).await.unwrap();
    assert_eq!(round.changes.len(), 3, "{faults:?}");
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), 3);
    setup.enter(online.id, SeatState::Reclaiming, &USERS[..1]).await;
    assert_eq!(setup.sync.seat_round(online.id).await.unwrap().changes.len(), 1);

    let files: Vec<_> = setup
        .packages(offline.id)
        .await
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(files.len(), 3, "{faults:?}");
    let fetched = setup.sync.fetch_content(offline.id, &files).await.unwrap();
    assert_eq!(fetched.packages.len(), 3, "{faults:?}");
    assert_eq!(setup.status().await.state, SyncState::Idle);
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn names_numbers_and_lists_come_in_any_shape() {
    let together = [
        vec![Fault::PascalCase, Fault::NumbersAsStrings],
        vec![
            Fault::MixedCase,
            Fault::NullLists,
            Fault::UnknownFields,
            Fault::ByteOrderMark,
        ],
    ];
    for faults in together {
        for setup in Setup::on_each(5).await {
            everything_works(&setup, &faults).await;
        }
    }
}

#[tokio::test]
async fn values_that_nobody_documented_are_data() {
    let faults = [
        overwritten("productType", "Hologram"),
        overwritten("caption", "\u{feff}"),
        overwritten("lastModified", "0001-01-01T00:00:00"),
        overwritten("dateAssigned", "soon"),
        overwritten("backgroundColor", "none"),
        overwritten("fileHashAlgorithm", "Whirlpool"),
        overwritten("packageRank", "first"),
    ];
    for setup in Setup::on_each(5).await {
        everything_works(&setup, &faults).await;
    }
}

#[tokio::test]
async fn an_unknown_policy_counts_as_a_limit_and_an_unknown_status_as_present() {
    for setup in Setup::on_each(5).await {
        for field in ["distributionPolicy", "status"] {
            setup.sim.inject(overwritten(field, "Whimsical").always());
        }
        assert_eq!(setup.full().await.products, 2);
        assert_eq!(setup.online().await.seats.unwrap().available, Some(5));
        assert_eq!(setup.status().await.products, 2);
    }
}

#[tokio::test]
async fn a_seat_in_an_unknown_state_is_not_counted_as_given() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let app = setup.online().await.id;
        setup
            .sim
            .inject(overwritten("state", "Dreaming").on(Operation::AssignSeat));
        setup.enter(app, SeatState::Assigning, &USERS[..1]).await;
        setup.sync.seat_round(app).await.unwrap();
        assert_eq!(setup.seat_state(app, USERS[0]).await, SeatState::Assigned);
        assert_eq!(
            setup.sim.count(Operation::Seat),
            1,
            "settled by reading the seat, not by the odd word"
        );
    }
}
