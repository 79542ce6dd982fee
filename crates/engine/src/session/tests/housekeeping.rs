//! What the server asks and sets on its own.

use super::*;

#[test]
fn a_device_that_refuses_to_leave_is_asked_once_in_a_session() {
    let leave = || Work {
        unenroll: true,
        ..Work::default()
    };
    let asked = start(leave());
    assert_eq!(asked.told, [Purpose::Unenroll]);
    let cmd = asked.message.body.last().unwrap().cmd_id().to_owned();
    let refusal = message(2, vec![status_of(&cmd, 1, 500)]);
    let received = receive(asked.session, &refusal);
    assert_eq!(received.facts, [Fact::UnenrollAnswered { status: 500 }]);
    let ended = reply(&refusal.header, received, leave(), Budget::default());
    assert!(ended.told.is_empty());
    assert_eq!(names(&ended.message), [("Status", "1")]);
}

#[test]
fn inventory_is_asked_for_once_in_a_session() {
    let due = Work {
        inventory: true,
        ..Work::default()
    };
    let first = start(due.clone());
    assert!(first.told.len() > 10 && first.told.iter().all(|p| *p == Purpose::Inventory));
    let answers = first
        .session
        .sent
        .iter()
        .map(|s| status_of(&s.cmd, 1, 404))
        .collect();
    let second = message(2, answers);
    let received = receive(first.session, &second);
    assert_eq!(
        received.facts,
        [Fact::InventoryRead],
        "a node that is missing is no error"
    );
    assert!(
        reply(&second.header, received, due, Budget::default())
            .told
            .is_empty()
    );
}

#[test]
fn a_failed_app_inventory_is_not_an_empty_one() {
    let first = start(Work {
        apps: vec![Context::Device, Context::User],
        ..Work::default()
    });
    let reads: Vec<_> = first
        .session
        .sent
        .iter()
        .filter(|s| matches!(s.purpose, Purpose::Apps { .. }))
        .collect();
    assert_eq!(reads.len(), 4, "two contexts, two origins");
    let mut body = Vec::new();
    for (index, sent) in first.session.sent.iter().enumerate() {
        let bad = matches!(
            sent.purpose,
            Purpose::Apps {
                context: Context::User,
                ..
            }
        ) && index % 4 == 1;
        body.push(status_of(&sent.cmd, 1, if bad { 500 } else { 200 }));
    }
    let facts = receive(first.session, &message(2, body)).facts;
    assert!(facts.contains(&Fact::AppsRead {
        context: Context::Device,
        apps: vec![]
    }));
    assert!(facts.contains(&Fact::AppsUnreadable {
        context: Context::User
    }));
}

#[test]
fn the_inventory_waits_for_the_answers_of_the_jobs() {
    let rng = Rng::seeded(4);
    let id = qm_core::TargetId::new(NOW, &rng);
    let poll = |context| TargetOrder {
        id,
        context,
        commands: vec![(
            Purpose::Target { id, step: Step::Poll },
            qm_csp::app_management::poll_slot(context, "Fabrik.Notes_z1enpheh36ccm"),
        )],
    };
    let due = |context| Work {
        apps: vec![Context::Device, Context::User],
        targets: vec![poll(context)],
        ..Work::default()
    };
    let asked = start(due(Context::User));
    assert_eq!(asked.told, [Purpose::Target { id, step: Step::Poll }]);
    assert!(!asked.session.apps_asked);
    let first = package_1("none");
    let absent = reply(
        &first.header,
        receive(Session::default(), &first),
        due(Context::User),
        Budget::default(),
    );
    assert!(
        absent.session.apps_asked,
        "nothing can be asked for an absent user"
    );
}

#[test]
fn each_context_of_the_app_inventory_is_read_when_it_is_due() {
    let contexts = |apps: Vec<Context>| {
        let sent = start(Work {
            apps,
            ..Work::default()
        });
        sent.session.apps.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(contexts(vec![Context::User]), [Context::User]);
    assert_eq!(contexts(vec![Context::Device]), [Context::Device]);
    assert_eq!(contexts(vec![]), []);
}
