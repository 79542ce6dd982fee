//! Slots of installs: made, executed, read, gone.

use super::*;

#[test]
fn a_slot_exists_once() {
    let mut bench = Bench::new();
    assert_eq!((bench.add(SLOT), bench.add(SLOT)), (200, 418));
    assert_eq!(bench.read("./User/EMAM/AppInstallation"), FAMILY);
    assert_eq!((bench.delete(SLOT), bench.delete(SLOT)), (200, 404));
    assert_eq!(bench.add("./User/EMAM/AppInstallation/NoFamily"), 500);
    assert_eq!(bench.rules(), [Rule::Payload]);
}

#[test]
fn an_exec_without_a_slot_is_404() {
    let mut bench = Bench::new();
    assert_eq!(bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED), 404);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 404);
}

#[test]
fn a_hosted_install_succeeds_later_vanishes_and_tells() {
    let mut bench = Bench::new();
    bench.options.install_ticks = 2;
    bench.add(SLOT);
    bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED);
    assert_eq!(bench.read(&format!("{SLOT}/Status")), "1");
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{SLOT}/ProgressStatus")), "30");
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.get(SLOT).status, 404);
    let alerts = bench.tree.apps.take_alerts();
    assert_eq!(alerts[0].source, full(&format!("{SLOT}/HostedInstall")));
    assert!(alerts[0].kind.ends_with(".EnterpriseHostedAppInstall.result"));
    assert_eq!(alerts[0].code, HResult::OK);
    assert!(
        bench
            .tree
            .apps
            .packages()
            .iter()
            .any(|package| package.family_name == FAMILY && package.user)
    );
}

#[test]
fn a_failed_install_lingers_with_its_error() {
    let mut bench = Bench::new();
    bench.tree.apps.script_failure(FAMILY, HResult(0x8007_3CF9));
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3CF9]);
    let values = bench.get(&format!("{SLOT}?list=StructData")).values;
    let leaves: Vec<_> = values
        .iter()
        .map(|v| (v.uri.rsplit('/').next().unwrap(), v.data.as_str()))
        .collect();
    assert_eq!(leaves[0], ("Status", "2"));
    assert_eq!(leaves[1], ("LastError", "-2147009287"));
    assert_eq!(leaves[3].0, "LastErrorDesc");
    assert_eq!(bench.add(SLOT), 418);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
}

#[test]
fn the_same_exec_again_does_not_start_another_job() {
    let mut bench = Bench::new();
    bench.add(SLOT);
    for _ in 0..2 {
        assert_eq!(bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED), 202);
    }
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn a_users_job_waits_for_the_user() {
    let mut bench = Bench::new();
    bench.add(SLOT);
    bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED);
    bench.tree.set_login(Login::None);
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [] as [u32; 0]);
    bench.tree.set_login(Login::User);
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn progress_is_not_told_in_device_context() {
    let mut bench = Bench::new();
    bench.options.install_ticks = 2;
    let slot = "./Device/EMAM/AppInstallation/PFN";
    bench.add(slot);
    bench.exec(&format!("{slot}/HostedInstall"), HOSTED);
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{slot}/ProgressStatus")), "0");
}
