//! Whole devices against a small server of our own, over TLS.

use super::*;
use crate::{
    Fleet, Rule,
    testing::{Authority, package, server::Server},
};
use qm_core::{Rng, device::EnrollmentKind};

async fn enrolled(server: &Server, quirks: impl Into<crate::Quirks>) -> Device {
    let mut device = Device::new(DeviceOptions {
        quirks: quirks.into(),
        ..server.options()
    });
    device.enroll().await.unwrap();
    device
}

fn get(uri: &str) -> String {
    format!("<Get><CmdID>50</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

fn install(link: &str) -> String {
    format!(
        "<Add><CmdID>50</CmdID><Item><Target><LocURI>{SLOT}</LocURI></Target></Item></Add><Exec><CmdID>51</CmdID><Item>\
         <Target><LocURI>{SLOT}/HostedInstall</LocURI></Target><Meta><Format xmlns='syncml:metinf'>xml</Format></Meta>\
         <Data>&lt;Application PackageUri=\"{link}\"/&gt;</Data></Item></Exec>"
    )
}

/// A session in which the server orders an installation.
async fn ordered(server: &Server, device: &mut Device) {
    server.with(|script| {
        script.files.insert(
            "/p/quay.msix".to_owned(),
            package("Quay.Log", "1.0.0.0", "x64", ""),
        )
    });
    server.will_say(&[&install(&server.link("/p/quay.msix"))]);
    let report = device.session(Trigger::Schedule).await.unwrap();
    assert_eq!(
        report.status_of("Exec", &format!("{SLOT}/HostedInstall")),
        Some(202)
    );
}

const SLOT: &str = "./User/Vendor/MSFT/EnterpriseModernAppManagement/AppInstallation/Quay.Log_z1enpheh36ccm";
const INSTALLED: &str = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result";

#[tokio::test]
async fn enrolls_for_user_or_device_and_knows_who_it_is() {
    let server = Server::start().await;
    for kind in [EnrollmentKind::Full, EnrollmentKind::Device] {
        let mut device = Device::new(DeviceOptions {
            kind,
            ..server.options()
        });
        device.enroll().await.unwrap();
        assert_eq!(device.violations(), []);
        assert_eq!(
            device.enrollment_id(),
            Some("3f0c9a51-5a0e-4f0e-9d7a-2f8e6d1b7c44")
        );
        assert_eq!(device.thumbprint().unwrap().len(), 40);
        assert!(matches!(device.enroll().await, Err(SimError::AlreadyEnrolled)));
    }
}

#[tokio::test]
async fn trusts_no_root_but_the_given_one() {
    let server = Server::start().await;
    let mut device = Device::new(DeviceOptions {
        roots: Authority::new().0.pem(),
        ..server.options()
    });
    assert!(matches!(device.enroll().await, Err(SimError::Http(_))));
    assert!(!device.is_enrolled());
    assert!(matches!(
        device.session(Trigger::Schedule).await,
        Err(SimError::NotEnrolled)
    ));
}

#[tokio::test]
async fn sessions_show_the_certificate_and_where_they_come_from() {
    let server = Server::start().await;
    let mut device = enrolled(&server, []).await;
    server.will_say(&[&get("./DevDetail/SwV")]);
    let report = device.session(Trigger::Schedule).await.unwrap();
    assert_eq!(
        (report.ended, report.messages, report.session_id.as_str()),
        (Ended::Done, 2, "1")
    );
    let seen = server.messages();
    assert!(
        seen.iter()
            .all(|seen| seen.certificate && seen.target.ends_with("?mode=Maintenance&Platform=WoA"))
    );
    assert_eq!(seen[0].headers["user-agent"], line::AGENT);
    assert!(!seen[0].headers.contains_key("useragentorigin"));
    assert_eq!(device.violations(), []);
}

#[tokio::test]
async fn newer_protocol_versions_tell_more() {
    let server = Server::start().await;
    let mut device = enrolled(&server, []).await;
    let uri = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/SyncApplicationVersion";
    server.will_say(&[&format!(
        "<Replace><CmdID>50</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Data>4.0</Data></Item></Replace>"
    )]);
    for _ in 0..10 {
        device.session(Trigger::Push).await.unwrap();
    }
    device.sign_in(Login::None);
    let report = device.session(Trigger::Push).await.unwrap();
    assert_eq!(report.session_id, "B");
    let last = server.messages().pop().unwrap();
    assert_eq!(last.headers["useragentorigin"], "3");
    assert!(last.target.contains("mode=Machine"));
}

#[tokio::test]
async fn installs_what_it_downloads_and_tells_in_the_next_session() {
    let server = Server::start().await;
    let mut device = enrolled(&server, []).await;
    ordered(&server, &mut device).await;
    assert!(device.is_busy());
    assert_eq!(
        device.downloads()[0].url,
        format!("https://localhost:{}/p/quay.msix", server.address.port())
    );
    let requests = server.with(|script| {
        let of_package = script.seen.iter().filter(|seen| seen.target.starts_with("/p/"));
        of_package
            .map(|seen| (seen.method.clone(), seen.headers.contains_key("range")))
            .collect::<Vec<_>>()
    });
    assert_eq!(requests[0], ("HEAD".to_owned(), false));
    assert!(
        requests[1..]
            .iter()
            .all(|(method, ranged)| method == "GET" && *ranged)
    );
    assert!(
        device
            .packages()
            .iter()
            .any(|package| package.family_name == "Quay.Log_z1enpheh36ccm")
    );
    let report = device.session(Trigger::Alert).await.unwrap();
    assert_eq!(report.alerts, [INSTALLED]);
    assert!(!device.is_busy());
    assert_eq!(device.violations(), []);
}

#[tokio::test]
async fn downloads_that_go_wrong_fail_the_installation() {
    let server = Server::start().await;
    for (without_ranges, path, code, rules) in [
        (
            true,
            "/p/quay.msix",
            0x8019_01A0_u32,
            vec![Rule::Download, Rule::Download],
        ),
        (false, "/p/gone.msix", 0x8019_0193, vec![]),
    ] {
        let mut device = enrolled(&server, []).await;
        server.with(|script| {
            script.without_ranges = without_ranges;
            script.files.insert(
                "/p/quay.msix".to_owned(),
                package("Quay.Log", "1.0.0.0", "x64", ""),
            );
        });
        server.will_say(&[&install(&server.link(path))]);
        device.session(Trigger::Schedule).await.unwrap();
        server.will_say(&[&get(&format!("{SLOT}/LastError"))]);
        device.session(Trigger::Schedule).await.unwrap();
        let answer = String::from_utf8(server.messages().pop().unwrap().body).unwrap();
        let signed = code.cast_signed().to_string();
        assert!(answer.contains(&format!("<Data>{signed}</Data>")), "{answer}");
        assert_eq!(device.watch.rules(), rules);
    }
}

#[tokio::test]
async fn a_repeated_message_must_get_the_same_answer() {
    let server = Server::start().await;
    for (forgetful, rules) in [(false, vec![]), (true, vec![Rule::Replay])] {
        server.with(|script| script.forgetful = forgetful);
        let mut device = enrolled(&server, [Quirk::RepeatMessage(1)]).await;
        server.will_say(&[&get("./DevInfo/Man")]);
        device.session(Trigger::Schedule).await.unwrap();
        assert_eq!(device.watch.rules(), rules);
    }
}

#[tokio::test]
async fn a_lost_reply_makes_the_device_send_the_same_bytes_again() {
    let server = Server::start().await;
    let mut device = enrolled(&server, [Quirk::LoseReply(1)]).await;
    server.will_say(&[&get("./DevInfo/Man")]);
    let report = device.session(Trigger::Schedule).await.unwrap();
    let seen = server.messages();
    assert_eq!(
        (seen.len(), report.commands.len(), report.ended),
        (3, 1, Ended::Done)
    );
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn a_device_can_stop_half_way() {
    let server = Server::start().await;
    let mut device = enrolled(&server, [Quirk::StopAfter(1)]).await;
    server.will_say(&[&get("./DevInfo/Man")]);
    let report = device.session(Trigger::Schedule).await.unwrap();
    assert_eq!((report.ended, report.commands.len()), (Ended::Stopped, 0));
}

#[tokio::test]
async fn session_ids_can_be_used_again() {
    let server = Server::start().await;
    let mut device = enrolled(&server, [Quirk::ReuseSessionId]).await;
    for _ in 0..2 {
        assert_eq!(device.session(Trigger::Schedule).await.unwrap().session_id, "1");
    }
}

#[tokio::test]
async fn alerts_can_be_late_or_lost() {
    let server = Server::start().await;
    for (quirk, told) in [(Quirk::LateAlerts, [0, 1]), (Quirk::LoseAlerts, [0, 0])] {
        let mut device = enrolled(&server, [quirk]).await;
        ordered(&server, &mut device).await;
        for told in told {
            assert_eq!(
                device.session(Trigger::Schedule).await.unwrap().alerts.len(),
                told
            );
        }
    }
}

#[tokio::test]
async fn alerts_can_come_newest_first() {
    let server = Server::start().await;
    let mut device = enrolled(&server, [Quirk::ReorderAlerts]).await;
    ordered(&server, &mut device).await;
    let removal = SLOT.replace("AppInstallation", "AppManagement/nonStore");
    server.will_say(&[&format!(
        "<Delete><CmdID>50</CmdID><Item><Target><LocURI>{removal}</LocURI></Target></Item></Delete>"
    )]);
    // The first alert waits, so that there are two.
    device.waiting.iter_mut().for_each(|(_, held)| *held = true);
    device.session(Trigger::Schedule).await.unwrap();
    let report = device.session(Trigger::Schedule).await.unwrap();
    assert_eq!(report.alerts[1], INSTALLED);
    assert!(report.alerts[0].ends_with(".EnterpriseAppUninstall.result"));
}

#[tokio::test]
async fn the_server_can_make_it_leave() {
    let server = Server::start().await;
    let mut device = enrolled(&server, []).await;
    server.will_say(&[
        "<Exec><CmdID>50</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/\
                       Unenroll</LocURI></Target><Data>Quartermaster</Data></Item></Exec>",
    ]);
    let report = device.session(Trigger::Schedule).await.unwrap();
    assert_eq!(report.ended, Ended::Unenrolled);
    let seen = server.messages();
    assert_eq!(seen.len(), 2);
    assert!(String::from_utf8_lossy(&seen[1].body).contains("com.microsoft:mdm.unenrollment.userrequest"));
    assert!(matches!(
        device.session(Trigger::Schedule).await,
        Err(SimError::NotEnrolled)
    ));
}

#[tokio::test]
async fn the_user_can_leave_whatever_the_server_says() {
    let server = Server::start().await;
    server.with(|script| script.refusal = Some(503));
    let mut device = enrolled(&server, []).await;
    let report = device.unenroll().await.unwrap();
    assert_eq!(report.alerts, ["com.microsoft:mdm.unenrollment.userrequest"]);
    assert!(!device.is_enrolled());
    device.enroll().await.unwrap();
    assert_eq!(
        device.session(Trigger::Schedule).await.unwrap().ended,
        Ended::Refused(503)
    );
}

#[tokio::test]
async fn a_fleet_acts_together_and_keeps_its_order() {
    let server = Server::start().await;
    let rng = Rng::seeded(5);
    let device = |number: usize| {
        Device::new(DeviceOptions {
            name: format!("D{number}"),
            rng: rng.clone(),
            ..server.options()
        })
    };
    let mut fleet = Fleet::new((0..5).map(device).collect(), 2);
    assert!(fleet.enroll().await.iter().all(Result::is_ok));
    let reports = fleet.session(Trigger::Schedule).await;
    assert!(
        reports
            .iter()
            .all(|report| report.as_ref().is_ok_and(|report| report.ended == Ended::Done))
    );
    let names: Vec<_> = fleet
        .devices()
        .iter()
        .map(|device| device.options().name.as_str())
        .collect();
    assert_eq!(names, ["D0", "D1", "D2", "D3", "D4"]);
    let mut ids: Vec<_> = fleet.devices().iter().map(Device::device_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}
