//! Inventory queries and their rows.

use super::*;

#[test]
fn a_bundle_has_two_rows() {
    let mut bench = Bench::new();
    let (x64, x86) = (app("1.2.0.0", "x64"), app("1.2.0.0", "x86"));
    bench.host(
        "User",
        &[bundle(
            "Quay.Log",
            "2026.1.0.0",
            &[("a.appx", "x64", &x64), ("b.appx", "x86", &x86)],
        )],
    );
    let rows = bench.inventory(
        "User",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\" PackageTypeFilter=\"Main|Bundle\"/>",
    );
    for part in [
        "PackageFullName=\"Quay.Log_2026.1.0.0_neutral_~_z1enpheh36ccm\"",
        "PackageFullName=\"Quay.Log_1.2.0.0_x64__z1enpheh36ccm\"",
        "IsBundle=\"1\"",
        "Architecture=\"X64\"",
        "ResourceID=\"~\"",
    ] {
        assert!(rows.contains(part), "{part} in {rows}");
    }
    assert_eq!(rows.matches("<App ").count(), 2);
}

#[test]
fn queries_filter_and_stay() {
    let mut bench = Bench::new();
    let file = package("Quay.Log", "1.0.0.0", "x64", &needs("Quay.Runtime", "2.0.0.0"));
    bench.host("User", &[file, framework("Quay.Runtime", "2.0.0.0", "x64")]);
    for (query, count) in [
        ("<Inventory/>", 3),
        ("<Inventory PackageTypeFilter=\"Framework\"/>", 1),
        ("<Inventory PackageTypeFilter=\"Main\"/>", 2),
        ("<Inventory Source=\"nonStore\"/>", 1),
        ("<Inventory PackageFamilyName=\"Quay\"/>", 2),
        ("<Inventory Publisher=\"Microsoft\"/>", 1),
    ] {
        assert_eq!(
            bench.inventory("User", query).matches("<App ").count(),
            count,
            "{query}"
        );
    }
    let results = "./User/EMAM/AppManagement/AppInventoryResults";
    assert_eq!(bench.read(results).matches("<App ").count(), 1);
    let names = bench.inventory("User", "<Inventory Source=\"nonStore\"/>");
    assert!(
        !names.contains("Version="),
        "names alone are the default: {names}"
    );
    let again = bench.inventory(
        "User",
        "<Inventory Source=\"nonStore\" Output=\"PackageNames|RequiresReinstall\"/>",
    );
    assert!(again.contains("RequiresReinstall=\"0\""));
}

#[test]
fn rejects_queries_that_are_not_documented() {
    let uri = "./Device/EMAM/AppManagement/AppInventoryQuery";
    for bad in [
        "<Inventory Output=\"PackagesName\"/>",
        "<Inventory Source=\"Store\"/>",
        "<Inventory X=\"1\"/>",
        "<Query/>",
        "",
    ] {
        let mut bench = Bench::new();
        assert_eq!(
            (bench.replace(uri, "xml", bad), bench.rules()),
            (500, vec![Rule::Payload]),
            "{bad}"
        );
    }
    assert_eq!(Bench::new().get("./Device/EMAM/AppInventoryQuery").status, 404);
}

#[test]
fn the_machine_sees_what_users_have_but_only_provisioned_apps_as_such() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(
        rows.contains("IsProvisioned=\"0\"") && rows.contains("[2]"),
        "{rows}"
    );
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(rows.contains("IsProvisioned=\"1\""), "{rows}");
}

#[test]
fn provisioned_apps_reach_the_user_at_sign_in() {
    let mut bench = Bench::new();
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
    bench.tree.set_login(Login::None);
    bench.tree.set_login(Login::User);
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
}

#[test]
fn the_tree_can_be_walked() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let base = "./User/EMAM/AppManagement/nonStore";
    assert_eq!(bench.read(base), FAMILY);
    let full_name = bench.read(&format!("{base}/PFN"));
    assert_eq!(full_name, "Quay.Log_1.0.0.0_x64__z1enpheh36ccm");
    assert_eq!(bench.read(&format!("{base}/PFN/{full_name}/Version")), "1.0.0.0");
    let leaves = bench.get(&format!("{base}/PFN?list=StructData")).values;
    let provisioned = leaves
        .iter()
        .find(|value| value.uri.ends_with("/IsProvisioned"))
        .unwrap();
    assert_eq!(
        (provisioned.uri.split('/').count(), provisioned.format),
        (10, "int")
    );
    assert_eq!(bench.read("./User/EMAM/AppManagement/AppStore"), "");
    assert_eq!(bench.get("./User/EMAM/AppManagement/AppStore/PFN").status, 404);
}
