use super::*;
use crate::session::{Sight, Step};
use proptest::prelude::*;
use qm_core::{
    AppId, DeploymentId, DeviceId, HResult, PackageId, Rng, TargetId,
    app::{Package, PackageRole},
    deployment::Context,
    device::InstalledApp,
};
use qm_csp::app_management::SlotStatus;
use qm_syncml::StatusCode;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const FAMILY: &str = "Fabrik.Notes_z1enpheh36ccm";

fn target(state: TargetState, intent: Intent) -> Target {
    let rng = Rng::seeded(3);
    Target {
        id: TargetId::new(NOW, &rng),
        deployment_id: DeploymentId::new(NOW, &rng),
        app_id: AppId::new(NOW, &rng),
        intent,
        context: Context::User,
        device_id: DeviceId::new(NOW, &rng),
        upn: "mara@fabrik.example".to_owned(),
        state,
        attempts: 1,
        error: None,
        package_id: None,
        license_accepted: false,
        not_before: None,
        deadline: None,
        updated_at: NOW,
    }
}

fn required(state: TargetState) -> Target {
    target(state, Intent::Required)
}

fn ready(license: LicenseKind) -> Readiness {
    Readiness {
        license,
        seat: None,
        license_present: false,
        content_present: false,
    }
}

fn answer(status: u16) -> Answer {
    Answer {
        status: StatusCode(status),
        original_error: None,
        slot: None,
    }
}

fn app(version: &str, resource: &str) -> InstalledApp {
    InstalledApp {
        package_family_name: FAMILY.to_owned(),
        package_full_name: format!("Fabrik.Notes_{version}_x64_{resource}_z1enpheh36ccm"),
        version: version.to_owned(),
        install_location: None,
        source: None,
        users: None,
        context: Context::User,
        provisioned: None,
    }
}

fn package(version: &str, bundle: bool) -> Package {
    Package {
        id: PackageId::new(NOW, &Rng::seeded(9)),
        app_id: AppId::new(NOW, &Rng::seeded(3)),
        role: PackageRole::Main,
        store_package_id: None,
        content_id: None,
        full_name: format!("Fabrik.Notes_{version}_neutral_~_z1enpheh36ccm"),
        file_name: "notes.msixbundle".to_owned(),
        version: version.parse().unwrap(),
        architectures: vec![],
        bundle,
        families: vec![],
        rank: 0,
        size: 1,
        sha256: None,
        frameworks: vec![],
    }
}

fn slot(slot: SlotStatus) -> Answer {
    Answer {
        slot: Some(slot),
        ..answer(200)
    }
}

/// The end of the job was seen.
const END: Option<Sight> = Some(Sight::End);

fn state(change: &Change) -> Option<TargetState> {
    change.target.as_ref().map(|t| t.state)
}

#[test]
fn an_online_app_is_queued_only_with_a_confirmed_seat() {
    let planned = required(TargetState::Planned);
    for (seat, action) in [
        (None, Action::AssignSeat),
        (Some(SeatState::Assigning), Action::AssignSeat),
        (Some(SeatState::Reclaimed), Action::AssignSeat),
        (Some(SeatState::Failed), Action::AssignSeat),
        (Some(SeatState::Assigned), Action::Queue),
    ] {
        assert_eq!(
            next(
                &planned,
                Readiness {
                    seat,
                    ..ready(LicenseKind::Online)
                }
            ),
            action,
            "{seat:?}"
        );
    }
}

#[test]
fn an_offline_app_is_queued_only_with_license_and_content() {
    let planned = required(TargetState::Planned);
    for (license_present, content_present, action) in [
        (false, true, Action::FetchContent),
        (true, false, Action::FetchContent),
        (true, true, Action::Queue),
    ] {
        let ready = Readiness {
            license_present,
            content_present,
            ..ready(LicenseKind::Offline)
        };
        assert_eq!(next(&planned, ready), action);
    }
    let upload = Readiness {
        content_present: true,
        ..ready(LicenseKind::None)
    };
    assert_eq!(next(&planned, upload), Action::Queue);
    assert_eq!(
        next(&target(TargetState::Planned, Intent::Available), upload),
        Action::Nothing
    );
}

#[test]
fn the_license_goes_first_and_the_install_only_after_it_was_accepted() {
    let mut queued = required(TargetState::Queued);
    assert_eq!(due(&queued, true, true, None, NOW), Due::Step(Step::License));
    let change = on_answer(&queued, Step::License, &answer(200), NOW);
    queued = change.target.unwrap();
    assert_eq!(due(&queued, true, false, None, NOW), Due::Step(Step::Install));
    let refused = on_answer(&required(TargetState::Queued), Step::License, &answer(405), NOW);
    assert!(!refused.target.unwrap().license_accepted);
}

#[test]
fn acceptance_is_not_installation() {
    let accepted = on_answer(&required(TargetState::Sent), Step::Install, &answer(202), NOW);
    assert_eq!(
        (state(&accepted), accepted.verify()),
        (Some(TargetState::Installing), false)
    );
    let gone = on_answer(&required(TargetState::Installing), Step::Poll, &answer(404), NOW);
    assert_eq!(
        (state(&gone), gone.verify()),
        (None, true),
        "a vanished slot proves nothing"
    );
    let alert = on_alert(&required(TargetState::Installing), HResult::OK, NOW);
    assert_eq!((state(&alert), alert.seen), (None, Some(Sight::Alerted)));
}

#[test]
fn the_inventory_proves_like_with_like() {
    let installing = required(TargetState::Installing);
    let seen = |apps: &[InstalledApp], wanted: Option<&Package>| {
        state(&on_inventory(&installing, apps, FAMILY, wanted, END, NOW))
    };
    let bundle = package("2026.3.0.0", true);
    let rows = [app("2026.3.0.0", "~"), app("4.2.0.0", "")];
    assert_eq!(seen(&rows, Some(&bundle)), Some(TargetState::Installed));
    let old = [app("2025.1.0.0", "~"), app("9999.0.0.0", "")];
    assert_eq!(
        seen(&old, Some(&bundle)),
        Some(TargetState::Queued),
        "an older bundle is not the wanted one"
    );
    assert_eq!(
        seen(&rows, None),
        Some(TargetState::Installed),
        "the Store chooses the version"
    );
    assert_eq!(
        seen(&[], None),
        Some(TargetState::Queued),
        "lost: try again later"
    );
}

#[test]
fn an_app_proves_nothing_before_its_installation_has_ended() {
    let there = [app("1.0.0.0", "")];
    let after = |present: &Target, seen| on_inventory(present, &there, FAMILY, None, seen, NOW);
    let installing = required(TargetState::Installing);
    for (seen, ended) in [
        (None, false),
        (Some(Sight::AtWork), false),
        (Some(Sight::Alerted), true),
        (END, true),
    ] {
        let proved = state(&after(&installing, seen)) == Some(TargetState::Installed);
        assert_eq!(proved, ended, "{seen:?}");
    }
    let unanswered = required(TargetState::Sent);
    assert_eq!(
        after(&unanswered, END),
        Change::default(),
        "an earlier removal may be about to take it away"
    );
    assert_eq!(
        on_alert(&unanswered, HResult::OK, NOW),
        Change::default(),
        "of an earlier job"
    );
}

#[test]
fn device_context_wants_a_provisioned_app() {
    let installing = Target {
        context: Context::Device,
        ..required(TargetState::Installing)
    };
    let row = |provisioned| InstalledApp {
        context: Context::Device,
        provisioned,
        ..app("1.0.0.0", "")
    };
    let seen = |p| state(&on_inventory(&installing, &[row(p)], FAMILY, None, END, NOW));
    assert_eq!(seen(Some(true)), Some(TargetState::Installed));
    assert_eq!(seen(Some(false)), Some(TargetState::Queued));
}

#[test]
fn a_removal_is_proved_by_absence() {
    let sent = target(TargetState::Sent, Intent::Uninstall);
    let accepted = on_answer(&sent, Step::Remove, &answer(200), NOW);
    let removing = accepted.target.unwrap();
    assert_eq!(removing.state, TargetState::Removing);
    let still = on_inventory(&removing, &[app("1.0.0.0", "")], FAMILY, None, None, NOW);
    assert_eq!(state(&still), None, "it takes its time");
    let gone = on_inventory(&removing, &[], FAMILY, None, END, NOW);
    assert_eq!(state(&gone), Some(TargetState::Removed));
    let absent = on_answer(&sent, Step::Remove, &answer(404), NOW);
    assert_eq!(
        (state(&absent), absent.verify()),
        (Some(TargetState::Removing), true)
    );
}

#[test]
fn a_removal_waits_for_an_installation_at_work_and_clears_what_one_has_left() {
    let queued = target(TargetState::Queued, Intent::Uninstall);
    assert_eq!(due(&queued, false, true, None, NOW), Due::Step(Step::Poll));
    assert_eq!(
        due(&queued, false, false, None, NOW),
        Due::Nothing,
        "asked in this session"
    );
    assert_eq!(
        due(&queued, false, false, Some(Sight::SlotFree), NOW),
        Due::Step(Step::Remove)
    );
    let failed = SlotStatus::Failed {
        error: HResult(0x8007_3CF9),
        description: None,
    };
    for (polled, seen) in [
        (answer(404), Some(Sight::SlotFree)),
        (answer(500), Some(Sight::SlotFree)),
        (slot(SlotStatus::NotInstalled), Some(Sight::SlotLeft)),
        (slot(failed), Some(Sight::SlotLeft)),
        (slot(SlotStatus::Installing), None),
        (slot(SlotStatus::Installed), None),
    ] {
        let change = on_answer(&queued, Step::Poll, &polled, NOW);
        let expected = Change {
            seen,
            ..Change::default()
        };
        assert_eq!(change, expected, "{polled:?}");
    }
    let day_after = NOW + Duration::from_hours(24);
    let hanging = on_answer(&queued, Step::Poll, &slot(SlotStatus::Installing), day_after);
    assert_eq!(
        hanging.seen,
        Some(Sight::SlotLeft),
        "it is not waited for any longer"
    );
    let cleared = target(TargetState::Sent, Intent::Uninstall);
    assert_eq!(
        on_answer(&cleared, Step::Slot, &answer(404), NOW),
        Change::default()
    );
}

#[test]
fn an_app_that_is_there_after_its_removal_is_removed_again() {
    let removing = target(TargetState::Removing, Intent::Uninstall);
    let there = [app("1.0.0.0", "")];
    let kept = |seen, at| on_inventory(&removing, &there, FAMILY, None, seen, at).target;
    assert_eq!(kept(None, NOW), None);
    for again in [kept(END, NOW), kept(None, NOW + Duration::from_hours(1))] {
        let again = again.unwrap();
        assert_eq!(again.state, TargetState::Queued);
        assert!(again.not_before.is_some(), "spaced");
        assert_eq!(again.error.unwrap().code, "present_after_removal");
    }
    let worn_out = Target {
        attempts: MAX_ATTEMPTS,
        ..removing.clone()
    };
    let given_up = on_inventory(&worn_out, &there, FAMILY, None, END, NOW);
    assert_eq!(state(&given_up), Some(TargetState::Failed));
}

#[test]
fn errors_are_retried_only_where_that_helps() {
    let installing = required(TargetState::Installing);
    let network = on_alert(&installing, HResult(0x8007_3CF5), NOW).target.unwrap();
    assert_eq!(network.state, TargetState::Queued);
    assert!(network.not_before > Some(NOW), "spaced");
    assert_eq!(due(&network, false, true, None, NOW), Due::Nothing);
    let worn_out = Target {
        attempts: MAX_ATTEMPTS,
        ..installing.clone()
    };
    assert_eq!(
        state(&on_alert(&worn_out, HResult(0x8007_3CF5), NOW)),
        Some(TargetState::Failed)
    );
    let wrong = on_alert(&installing, HResult(0x8007_3D10), NOW).target.unwrap();
    assert_eq!(wrong.state, TargetState::Failed);
    assert_eq!(wrong.error.unwrap().code, "0x80073D10");
    let newer_there = on_alert(&installing, HResult(0x8007_3D06), NOW);
    assert_eq!(
        (state(&newer_there), newer_there.verify()),
        (None, true),
        "satisfied: verify"
    );
}

#[test]
fn an_unanswered_install_is_asked_after_before_it_is_repeated() {
    let sent = required(TargetState::Sent);
    assert_eq!(due(&sent, false, true, None, NOW), Due::Step(Step::Poll));
    assert_eq!(
        due(&sent, false, false, None, NOW),
        Due::Nothing,
        "not in the session that sent it"
    );
    for never_begun in [slot(SlotStatus::NotInstalled), answer(404)] {
        let again = on_answer(&sent, Step::Poll, &never_begun, NOW);
        assert_eq!(state(&again), Some(TargetState::Queued));
        let worn_out = Target {
            attempts: MAX_ATTEMPTS,
            ..sent.clone()
        };
        let looked_for = on_answer(&worn_out, Step::Poll, &never_begun, NOW);
        assert_eq!(
            (state(&looked_for), looked_for.verify()),
            (Some(TargetState::Installing), true)
        );
    }
    let running = on_answer(&sent, Step::Poll, &slot(SlotStatus::Installing), NOW);
    assert_eq!(
        (state(&running), running.seen),
        (Some(TargetState::Installing), Some(Sight::AtWork))
    );
    assert_eq!(on_answer(&sent, Step::Poll, &answer(500), NOW), Change::default());
}

#[test]
fn a_slot_that_exists_is_as_good_as_a_new_one() {
    assert_eq!(
        on_answer(&required(TargetState::Sent), Step::Slot, &answer(418), NOW),
        Change::default()
    );
    let refused = on_answer(&required(TargetState::Sent), Step::Slot, &answer(405), NOW);
    assert!(matches!(
        state(&refused),
        Some(TargetState::Failed | TargetState::Queued)
    ));
}

#[test]
fn every_waiting_state_has_a_deadline() {
    for &state in TargetState::ALL.iter().filter(|s| !s.is_final()) {
        assert!(deadline(state, Intent::Required, NOW).is_some(), "{state}");
    }
    let overdue = on_deadline(&required(TargetState::AwaitingSeat), NOW)
        .target
        .unwrap();
    assert_eq!(overdue.error.unwrap().code, "deadline");
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let slot = prop_oneof![
        Just(None),
        Just(Some(SlotStatus::NotInstalled)),
        Just(Some(SlotStatus::Installing)),
        Just(Some(SlotStatus::Installed)),
        any::<u32>().prop_map(|e| Some(SlotStatus::Failed {
            error: HResult(e),
            description: None
        })),
    ];
    (200_u16..520, proptest::option::of(any::<u32>()), slot).prop_map(|(status, error, slot)| Answer {
        status: StatusCode(status),
        original_error: error.map(HResult),
        slot,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a device answers, a target only makes allowed moves and is installed by the inventory alone.
    #[test]
    fn only_the_inventory_installs(answers in proptest::collection::vec((0_usize..5, any_answer()), 1..20), uninstall: bool) {
        let intent = if uninstall { Intent::Uninstall } else { Intent::Required };
        let mut present = target(TargetState::Queued, intent);
        let steps = [Step::License, Step::Slot, Step::Install, Step::Poll, Step::Remove];
        for (step, answer) in answers {
            if present.state == TargetState::Queued {
                present = moved(&present, TargetState::Sent, NOW).unwrap();
            }
            let change = on_answer(&present, steps[step], &answer, NOW);
            if let Some(after) = change.target {
                prop_assert!(after.state == present.state || present.state.can_become(after.state, intent));
                prop_assert!(!matches!(after.state, TargetState::Installed | TargetState::Removed));
                present = after;
            }
        }
    }
}
