//! Installs from the Store and what their payload may say.

use super::*;

#[test]
fn a_store_install_with_a_seat_succeeds_without_an_alert() {
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(|seat: Seat<'_>| {
            seat.upn == "ana@north.example" && seat.product_id == "9P4LNTRN7K2M"
        })),
        ..options()
    });
    bench.add(SLOT);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 202);
    bench.tick(&[]);
    assert_eq!((bench.get(SLOT).status, bench.alerts()), (404, vec![]));
    assert_eq!(bench.rules(), []);
    assert!(
        bench
            .inventory("User", "<Inventory Source=\"AppStore\"/>")
            .contains(FAMILY)
    );
}

#[test]
fn a_store_install_without_a_seat_is_noted_and_fails() {
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(|_: Seat<'_>| false)),
        ..options()
    });
    bench.add(SLOT);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 202);
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{SLOT}/Status")), "2");
    assert_eq!(
        bench.read(&format!("{SLOT}/LastError")),
        (0x803F_8001_u32.cast_signed()).to_string()
    );
    assert_eq!((bench.rules(), bench.alerts()), (vec![Rule::Seat], vec![]));
}

#[test]
fn the_store_brings_the_package_it_has() {
    struct Store;
    impl crate::SeatOracle for Store {
        fn holds_seat(&self, _: Seat<'_>) -> bool {
            false
        }
        fn claim_seat(&self, _: Seat<'_>) -> bool {
            true
        }
        fn package(&self, _: &str, _: &str) -> Option<StorePackage> {
            Some(StorePackage {
                version: Version([7, 1, 0, 0]),
                publisher: "CN=Quay".to_owned(),
                bundle: false,
            })
        }
    }
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(Store)),
        ..options()
    });
    bench.add(SLOT);
    bench.exec(
        &format!("{SLOT}/StoreInstall"),
        &STORE.replace("flags=\"0\"", "flags=\"1\""),
    );
    bench.tick(&[]);
    let rows = bench.inventory(
        "User",
        "<Inventory Output=\"PackageDetails\" Source=\"AppStore\"/>",
    );
    assert!(
        rows.contains("Version=\"7.1.0.0\"") && rows.contains("Publisher=\"CN=Quay\""),
        "{rows}"
    );
    assert_eq!((rows.matches("<App ").count(), bench.rules()), (1, vec![]));
}

#[test]
fn there_is_no_store_install_in_device_context() {
    let mut bench = Bench::new();
    bench.add("./Device/EMAM/AppInstallation/PFN");
    assert_eq!(
        bench.exec("./Device/EMAM/AppInstallation/PFN/StoreInstall", STORE),
        405
    );
    assert_eq!(bench.rules(), [Rule::Scope]);
}

#[test]
fn payloads_are_taken_only_as_documented() {
    let link = "https://cdn.north.example/p/quay.msix";
    for (verb, bad) in [
        ("StoreInstall", STORE.replace("0010", FAMILY)),
        ("StoreInstall", STORE.replace("0010", "")),
        ("StoreInstall", STORE.replace(" flags=\"0\"", "")),
        ("StoreInstall", STORE.replace("/>", " extra=\"1\"/>")),
        ("StoreInstall", STORE.replace('<', "&lt;")),
        (
            "HostedInstall",
            HOSTED.replace("/>", "></Application></Application>"),
        ),
        ("HostedInstall", HOSTED.replace("PackageUri", "PackageURI")),
        (
            "HostedInstall",
            HOSTED.replace("/>", " DeploymentOptions=\"256\"/>"),
        ),
        (
            "HostedInstall",
            HOSTED.replace("/>", " DeferRegistration=\"true\"/>"),
        ),
        (
            "HostedInstall",
            HOSTED.replace("https://cdn.north.example", "C:\\packages"),
        ),
        (
            "HostedInstall",
            format!("<Application PackageUri=\"{link}\"><Dependency PackageUri=\"{link}\"/></Application>"),
        ),
    ] {
        let mut bench = Bench::new();
        bench.add(SLOT);
        assert_eq!(bench.exec(&format!("{SLOT}/{verb}"), &bad), 500, "{bad}");
        assert_eq!(bench.rules(), [Rule::Payload], "{bad}");
    }
}

#[test]
fn what_windows_tolerates_in_a_payload_is_noted() {
    for (scope, attribute, rules) in [
        ("Device", "DeploymentOptions=\"0\"", vec![Rule::DeploymentOptions]),
        ("User", "DeploymentOptions=\"64\"", vec![]),
        ("User", "DeploymentOptions=\"2\"", vec![Rule::DeploymentOptions]),
        ("User", "ValidateDependencies=\"1\"", vec![Rule::Payload]),
        ("Device", "ValidateDependencies=\"1\"", vec![]),
        ("Device", "DeferRegistration=\"1\"", vec![Rule::Payload]),
    ] {
        let mut bench = Bench::new();
        let slot = format!("./{scope}/EMAM/AppInstallation/PFN");
        bench.add(&slot);
        let payload = HOSTED.replace("/>", &format!(" {attribute}/>"));
        assert_eq!(
            bench.exec(&format!("{slot}/HostedInstall"), &payload),
            202,
            "{attribute}"
        );
        assert_eq!(bench.rules(), rules, "{scope} {attribute}");
    }
    let mut old = Bench::with(DeviceOptions {
        os_version: Version([10, 0, 17763, 1]),
        ..options()
    });
    old.add(SLOT);
    old.exec(
        &format!("{SLOT}/HostedInstall"),
        &HOSTED.replace("/>", " DeferRegistration=\"1\"/>"),
    );
    assert_eq!(old.rules(), [Rule::Capability]);
    old.exec(
        &format!("{SLOT}/HostedInstall"),
        &HOSTED.replace("https", "http").replace(".msix", ""),
    );
    assert_eq!(old.rules()[1..], [Rule::Url, Rule::Payload]);
}
