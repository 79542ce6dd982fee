//! What Windows does with the files of an install.

use super::*;

#[test]
fn frameworks_must_be_there_for_the_apps_architecture() {
    let needing = |architecture| {
        package(
            "Quay.Log",
            "1.0.0.0",
            architecture,
            &needs("Quay.Runtime", "2.0.0.0"),
        )
    };
    for (app, sent, code) in [
        ("x64", None, 0x8007_3CF3),
        ("x64", Some(("2.1.0.0", "x64")), 0),
        ("x64", Some(("1.9.0.0", "x64")), 0x8007_3CF3),
        ("x64", Some(("2.1.0.0", "x86")), 0x8007_3CF3),
        ("x86", Some(("2.1.0.0", "x86")), 0),
        ("x64", Some(("2.1.0.0", "arm64")), 0x8007_3D10),
        ("neutral", Some(("2.1.0.0", "x64")), 0),
    ] {
        let mut files = vec![needing(app)];
        files.extend(sent.map(|(version, architecture)| framework("Quay.Runtime", version, architecture)));
        let mut bench = Bench::new();
        assert_eq!(bench.host("User", &files), [code], "{app} {sent:?}");
    }
}

#[test]
fn the_missing_framework_is_named() {
    let mut bench = Bench::new();
    bench.host(
        "User",
        &[package(
            "Quay.Log",
            "1.0.0.0",
            "x86",
            &needs("Quay.Runtime", "2.0.0.0"),
        )],
    );
    let text = bench.read(&format!("{SLOT}/LastErrorDesc"));
    assert!(
        text.contains("\"Quay.Runtime\"") && text.contains("x86") && text.contains("2.0.0.0"),
        "{text}"
    );
}

#[test]
fn a_framework_sent_once_serves_the_next_app() {
    let mut bench = Bench::new();
    let needing = |version| package("Quay.Log", version, "x64", &needs("Quay.Runtime", "2.0.0.0"));
    bench.host(
        "User",
        &[needing("1.0.0.0"), framework("Quay.Runtime", "2.0.0.0", "x64")],
    );
    assert_eq!(bench.host("User", &[needing("1.1.0.0")]), [0]);
}

#[test]
fn packages_that_do_not_fit_the_device_are_refused() {
    let future = package("Quay.Log", "1.0.0.0", "x64", "");
    for (os, architecture, file, code) in [
        (
            [10, 0, 26100, 1],
            Architecture::X64,
            app("1.0.0.0", "arm64"),
            0x8007_3D10,
        ),
        (
            [10, 0, 26100, 1],
            Architecture::X86,
            app("1.0.0.0", "x64"),
            0x8007_3D10,
        ),
        ([10, 0, 26100, 1], Architecture::Arm64, app("1.0.0.0", "x64"), 0),
        (
            [10, 0, 19045, 1],
            Architecture::Arm64,
            app("1.0.0.0", "x64"),
            0x8007_3D10,
        ),
        ([10, 0, 10586, 1], Architecture::X64, future, 0x8007_3CFD),
        (
            [10, 0, 26100, 1],
            Architecture::X64,
            b"no archive".to_vec(),
            0x8007_3CF0,
        ),
    ] {
        let mut bench = Bench::with(DeviceOptions {
            os_version: Version(os),
            architecture,
            ..options()
        });
        assert_eq!(bench.host("User", &[file]), [code], "{os:?} {architecture}");
    }
}

#[test]
fn a_package_of_another_family_is_noted() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.host("User", &[package("Quay.Other", "1.0.0.0", "x64", "")]),
        [0x8007_3CF2]
    );
    assert_eq!(bench.rules(), [Rule::Payload]);
}

#[test]
fn older_versions_and_rebuilt_ones_do_not_replace_what_is_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.host("User", &[app("2.0.0.0", "x64")]), [0]);
    assert_eq!(bench.host("User", &[app("2.0.0.0", "x64")]), [0]);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3D06]);
    let rebuilt = package("Quay.Log", "2.0.0.0", "x64", "<!-- again -->");
    assert_eq!(bench.host("User", &[rebuilt]), [0x8007_3CFB]);
    assert_eq!(bench.host("User", &[app("3.0.0.0", "x64")]), [0]);
    let own = bench
        .tree
        .apps
        .packages()
        .iter()
        .filter(|package| package.family_name == FAMILY)
        .count();
    assert_eq!(own, 1);
}

#[test]
fn sideloading_can_be_forbidden_by_policy() {
    let mut bench = Bench::new();
    let policy = "./Device/Vendor/MSFT/Policy/Config/ApplicationManagement/AllowAllTrustedApps";
    bench.replace(policy, "int", "0");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3CFF]);
    bench.replace(policy, "int", "1");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
}
