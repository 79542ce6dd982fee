//! Removal and the settings of an app.

use super::*;

#[test]
fn uninstalling_takes_time_and_tells_without_the_origin() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let uri = "./User/EMAM/AppManagement/nonStore/PFN";
    assert_eq!((bench.delete(uri), bench.delete(uri)), (202, 202));
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
    bench.tick(&[]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
    let alerts = bench.tree.apps.take_alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].source, full("./User/EMAM/AppManagement/PFN"));
    assert!(alerts[0].kind.ends_with(".EnterpriseAppUninstall.result"));
    assert_eq!(bench.delete(uri), 404);
}

#[test]
fn the_origin_has_to_be_right() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    assert_eq!(bench.delete("./User/EMAM/AppManagement/AppStore/PFN"), 404);
    assert_eq!(bench.delete("./User/EMAM/AppManagement/Store/PFN"), 404);
}

#[test]
fn unprovisioning_leaves_the_app_to_its_user() {
    let mut bench = Bench::new();
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    bench.host("User", &[app("1.0.0.0", "x64")]);
    bench.delete("./Device/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(rows.contains("IsProvisioned=\"0\""), "{rows}");
    assert_eq!(bench.alerts(), [0]);
    bench.delete("./Device/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(
        bench.alerts(),
        [0x8007_3CF1],
        "only what is provisioned can be unprovisioned"
    );
}

#[test]
fn what_cannot_be_removed_says_so() {
    let mut bench = Bench::new();
    bench.delete("./User/EMAM/AppManagement/System/Microsoft.Windows.ShellExperienceHost_cw5n1h2txyewy");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0x8007_3CFA]);
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let setting = "./Device/EMAM/AppManagement/nonStore/PFN/NonRemovable";
    assert_eq!(bench.call(Verb::Add, setting, Some("int"), "1").status, 200);
    assert_eq!(bench.delete(setting), 405);
    bench.delete("./User/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0x8007_3CFA]);
    assert_eq!(bench.replace(setting, "int", "0"), 200);
    bench.delete("./User/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn remove_package_is_there_for_users_only() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let payload = "<Package Name=\"Quay.Log_1.0.0.0_x64__z1enpheh36ccm\"/>";
    assert_eq!(
        bench.exec("./Device/EMAM/AppManagement/RemovePackage", payload),
        405
    );
    assert_eq!(
        bench.exec(
            "./User/EMAM/AppManagement/RemovePackage",
            "<Package Name=\"Quay.Log\"/>"
        ),
        500
    );
    assert_eq!(
        bench.exec("./User/EMAM/AppManagement/RemovePackage", payload),
        202
    );
    bench.tick(&[]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
}

#[test]
fn app_settings_are_plain_flags() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let uri = "./Device/EMAM/AppManagement/nonStore/PFN/DoNotUpdate";
    assert_eq!(bench.get(uri).status, 404);
    assert_eq!(bench.replace(uri, "int", "1"), 200);
    assert_eq!(bench.read(uri), "1");
    assert_eq!(bench.replace(uri, "int", "2"), 415);
    assert_eq!((bench.delete(uri), bench.delete(uri)), (200, 404));
    assert_eq!(
        bench.replace("./User/EMAM/AppManagement/nonStore/PFN/NonRemovable", "int", "1"),
        405
    );
}

#[test]
fn verbs_that_a_node_does_not_have_are_405() {
    let mut bench = Bench::new();
    for (verb, uri) in [
        (Verb::Add, "./Device/EMAM/AppInstallation"),
        (Verb::Exec, "./Device/EMAM/AppManagement/AppInventoryResults"),
        (Verb::Get, "./Device/EMAM/AppManagement/UpdateScan"),
        (Verb::Delete, "./Device/EMAM/AppManagement"),
        (Verb::Replace, "./Device/EMAM/AppLicenses"),
    ] {
        assert_eq!(bench.call(verb, uri, None, "").status, 405, "{verb} {uri}");
    }
    assert_eq!(bench.exec("./User/EMAM/AppManagement/UpdateScan", ""), 200);
    assert_eq!(bench.read("./User/EMAM/AppManagement/LastScanError"), "0");
}
