//! Nodes outside app management.

use super::*;

#[test]
fn leaves_are_read_whatever_their_case() {
    let mut bench = Bench::new();
    assert_eq!(bench.read("./DevInfo/DevID"), hardware().device_id);
    assert_eq!(bench.read("./devdetail/swv"), "10.0.26100.2314");
    assert_eq!(bench.read("./DevDetail/Ext/Microsoft/ProcessorArchitecture"), "9");
    assert_eq!(
        bench.read("./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/EnrollmentType"),
        "Full"
    );
    assert_eq!(bench.get("./DevDetail/LrgObj").values[0].format, "bool");
    assert_eq!(bench.get("./DevDetail/URI/MaxDepth").values[0].format, "int");
    assert_eq!(
        bench.get("./DevDetail/Ext/Microsoft/OSPlatform").values[0].format,
        "chr"
    );
}

#[test]
fn interior_nodes_list_their_children() {
    let mut bench = Bench::new();
    let outcome = bench.get("./DevInfo");
    assert_eq!(
        (outcome.values[0].format, outcome.values[0].data.as_str()),
        ("node", "DevId/DmV/Lang/Man/Mod")
    );
    let all = bench.get("./DevInfo?list=StructData").values;
    assert_eq!(all.len(), 5);
    assert_eq!(all[0].uri, "./DevInfo/DevId");
}

#[test]
fn unknown_nodes_are_404_and_foreign_enrollments_406() {
    let mut bench = Bench::new();
    for verb in [Verb::Get, Verb::Add, Verb::Replace, Verb::Delete, Verb::Exec] {
        assert_eq!(
            bench.call(verb, "./Vendor/MSFT/Nowhere/X", None, "").status,
            404,
            "{verb}"
        );
    }
    assert_eq!(
        bench
            .get("./Device/Vendor/MSFT/DeclaredConfiguration/Host")
            .status,
        406
    );
}

#[test]
fn read_only_leaves_refuse_to_be_written() {
    let mut bench = Bench::new();
    assert_eq!(bench.replace("./DevDetail/SwV", "chr", "1"), 405);
    assert_eq!(bench.delete("./DevInfo/Man"), 405);
    assert_eq!(bench.exec("./DevInfo/Man", ""), 405);
    assert_eq!(bench.add("./DevInfo/Man"), 418);
}

#[test]
fn settings_take_values_of_their_format() {
    let mut bench = Bench::new();
    let poll = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Poll";
    assert_eq!(bench.replace(&format!("{poll}/PollOnLogin"), "bool", "true"), 200);
    assert_eq!(bench.replace(&format!("{poll}/PollOnLogin"), "bool", "yes"), 415);
    assert_eq!(
        bench.replace(&format!("{poll}/NumberOfFirstRetries"), "chr", "5"),
        415
    );
    assert_eq!(bench.read(&format!("{poll}/PollOnLogin")), "true");
}

#[test]
fn the_protocol_version_is_never_lowered() {
    let mut bench = Bench::new();
    let uri = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/SyncApplicationVersion";
    assert_eq!(bench.replace(uri, "chr", "4.0"), 200);
    assert_eq!(bench.tree.sync_version(), 4);
    assert_eq!(bench.replace(uri, "chr", "3.0"), 500);
    assert_eq!(bench.replace(uri, "chr", "6.0"), 500);
}

#[test]
fn a_push_channel_comes_with_a_family_name() {
    let mut bench = Bench::new();
    let push = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Push";
    assert_eq!(bench.get(&format!("{push}/ChannelURI")).status, 404);
    assert_eq!(
        bench.replace(&format!("{push}/pfn"), "chr", "Quay.Push_z1enpheh36ccm"),
        200
    );
    assert!(bench.read(&format!("{push}/ChannelURI")).starts_with("https://"));
    assert_eq!(bench.read(&format!("{push}/Status")), "0");
}

#[test]
fn policies_are_created_by_replace_and_read_as_results() {
    let mut bench = Bench::new();
    let config = "./Device/Vendor/MSFT/Policy/Config/Experience/AllowCortana";
    assert_eq!(bench.replace(config, "int", "x"), 415);
    assert_eq!(bench.replace(config, "int", "0"), 200);
    assert_eq!(
        bench.read("./Vendor/MSFT/Policy/Result/Experience/AllowCortana"),
        "0"
    );
    assert_eq!((bench.delete(config), bench.delete(config)), (200, 404));
}

#[test]
fn first_sync_nodes_need_add_before_replace() {
    let mut bench = Bench::new();
    let uri =
        "./User/Vendor/MSFT/DMClient/Provider/Quartermaster/FirstSyncStatus/ServerHasFinishedProvisioning";
    assert_eq!(bench.replace(uri, "bool", "true"), 405);
    assert_eq!(bench.call(Verb::Add, uri, Some("bool"), "true").status, 200);
    assert_eq!(bench.replace(uri, "bool", "true"), 200);
}

#[test]
fn user_commands_without_the_user_fail_and_are_noted() {
    let mut bench = Bench::new();
    bench.tree.set_login(Login::Others);
    assert_eq!(bench.add(SLOT), 500);
    assert_eq!(bench.get("./DevInfo/Man").status, 200);
    assert_eq!(bench.rules(), [Rule::Scope]);
}

#[test]
fn unenroll_wants_the_providers_name() {
    let mut bench = Bench::new();
    let uri = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Unenroll";
    assert_eq!(bench.exec(uri, "Other"), 500);
    assert!(!bench.tree.unenrolling);
    assert_eq!(bench.exec(uri, "Quartermaster"), 200);
    assert!(bench.tree.unenrolling);
    assert_eq!(bench.rules(), [Rule::Payload]);
}
