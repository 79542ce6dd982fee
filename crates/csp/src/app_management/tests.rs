use super::*;
use proptest::prelude::*;
use qm_core::{HResult, command::Verb, device::InstalledApp};
use qm_syncml::{Item, Meta};
use quick_xml::{Reader, XmlVersion, events::Event};

const FAMILY: &str = "Kestrel.Log_0pj3s1kq9hd7t";
const APPS: &str = "Vendor/MSFT/EnterpriseModernAppManagement";

fn payload(command: CspCommand) -> String {
    assert_eq!(command.format.as_deref(), Some("xml"), "{}", command.uri);
    command.data.unwrap()
}

/// All attributes of a document as `Element@Name`, in order.
fn attributes(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap();
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap();
                    let name = format!("{}@{}", element.name().as_ref(), attribute.key.as_ref());
                    found.push((name, value.into_owned()));
                }
            }
            Event::End(_) => {}
            Event::Eof => return found,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_store_install_runs_in_user_scope_with_the_seat_assigned_before() {
    let command = store_install(FAMILY, "9P4KSTRL7K2M", "0010");
    assert_eq!(command.verb, Verb::Exec);
    assert_eq!(
        command.uri,
        format!("./User/{APPS}/AppInstallation/{FAMILY}/StoreInstall")
    );
    assert_eq!(
        payload(command),
        r#"<Application id="9P4KSTRL7K2M" flags="0" skuid="0010"/>"#
    );
}

#[test]
fn a_hosted_install_lists_its_frameworks_and_escapes_its_links_once() {
    let install = HostedInstall {
        package_uri: "https://cdn.example/a.msixbundle?t=1&s=2".to_owned(),
        dependencies: vec![
            "https://cdn.example/f1.appx".to_owned(),
            "https://cdn.example/f2.appx".to_owned(),
        ],
        ..HostedInstall::default()
    };
    let command = hosted_install(Context::User, FAMILY, &install);
    assert_eq!(
        command.uri,
        format!("./User/{APPS}/AppInstallation/{FAMILY}/HostedInstall")
    );
    assert_eq!(
        payload(command),
        concat!(
            r#"<Application PackageUri="https://cdn.example/a.msixbundle?t=1&amp;s=2"><Dependencies>"#,
            r#"<Dependency PackageUri="https://cdn.example/f1.appx"/>"#,
            r#"<Dependency PackageUri="https://cdn.example/f2.appx"/></Dependencies></Application>"#
        )
    );
}

#[test]
fn each_scope_gets_only_the_options_it_knows() {
    let install = HostedInstall {
        package_uri: "https://cdn.example/a.msix".to_owned(),
        validate_dependencies: true,
        defer_registration: true,
        ..HostedInstall::default()
    };
    let text = |context| payload(hosted_install(context, FAMILY, &install));
    let (device, user) = (text(Context::Device), text(Context::User));
    assert_eq!(
        device,
        r#"<Application PackageUri="https://cdn.example/a.msix" ValidateDependencies="1"/>"#
    );
    assert_eq!(
        user,
        r#"<Application PackageUri="https://cdn.example/a.msix" DeferRegistration="1"/>"#
    );
    assert!(!(device + &user).contains("DeploymentOptions"));
}

#[test]
fn licenses_are_addressed_by_their_bare_content_id() {
    let command = add_license(Context::Device, "{5d0c8a41-7be2}", "TElDRU5TRQ==");
    assert_eq!(
        command.uri,
        format!("./Device/{APPS}/AppLicenses/StoreLicenses/5d0c8a41-7be2/AddLicense")
    );
    assert_eq!(payload(command), r#"<License Content="TElDRU5TRQ=="/>"#);
    let gone = delete_license(Context::User, "5d0c8a41-7be2");
    assert_eq!(
        gone.uri,
        format!("./User/{APPS}/AppLicenses/StoreLicenses/5d0c8a41-7be2")
    );
    assert_eq!(gone.verb, Verb::Delete);
}

#[test]
fn slots_are_added_polled_whole_and_deleted() {
    let add = add_slot(Context::Device, FAMILY);
    let slot = format!("./Device/{APPS}/AppInstallation/{FAMILY}");
    assert_eq!(
        (add.verb, &add.uri, add.format.as_deref(), add.data),
        (Verb::Add, &slot, Some("node"), None)
    );
    let poll = poll_slot(Context::Device, FAMILY);
    assert_eq!(
        (poll.verb, poll.uri),
        (Verb::Get, format!("{slot}?list=StructData"))
    );
    let delete = delete_slot(Context::Device, FAMILY);
    assert_eq!((delete.verb, delete.uri), (Verb::Delete, slot));
}

#[test]
fn inventory_and_removal_use_the_canonical_origin() {
    let query = inventory_query(Context::Device, Source::NonStore);
    assert_eq!(
        query.uri,
        format!("./Device/{APPS}/AppManagement/AppInventoryQuery")
    );
    assert_eq!(query.verb, Verb::Replace);
    assert_eq!(
        payload(query),
        r#"<Inventory Output="PackageDetails" Source="nonStore" PackageTypeFilter="Main|Bundle"/>"#
    );
    assert_eq!(
        uninstall(Context::User, Source::parse("NONSTORE").unwrap(), FAMILY).uri,
        format!("./User/{APPS}/AppManagement/nonStore/{FAMILY}")
    );
    assert_eq!(Source::parse("Store"), None);
}

#[test]
fn debug_shows_no_signature_of_a_link() {
    let install = HostedInstall {
        package_uri: "https://cdn.example/a.msix?sig=s3cret".to_owned(),
        dependencies: vec!["https://cdn.example/f.appx?sig=s3cret".to_owned()],
        ..HostedInstall::default()
    };
    let shown = format!("{install:?}");
    assert!(shown.contains("a.msix") && !shown.contains("s3cret"), "{shown}");
}

fn leaf(uri: &str, data: &str) -> Item {
    Item {
        source: Some(uri.to_owned()),
        data: Some(data.to_owned()),
        ..Item::default()
    }
}

fn slot(leaves: &[(&str, &str)]) -> Option<SlotStatus> {
    let node = |name: &str| format!("./User/{APPS}/AppInstallation/{FAMILY}/{name}");
    read_slot(
        &leaves
            .iter()
            .map(|(name, data)| leaf(&node(name), data))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn reads_each_state_of_a_slot() {
    let failed = |code, description: Option<&str>| {
        Some(SlotStatus::Failed {
            error: HResult(code),
            description: description.map(str::to_owned),
        })
    };
    for (leaves, expected) in [
        (&[("Status", "0")][..], Some(SlotStatus::NotInstalled)),
        (
            &[("status", " 1 "), ("ProgressStatus", "40")],
            Some(SlotStatus::Installing),
        ),
        (
            &[("Status", "3"), ("LastError", "0")],
            Some(SlotStatus::Installed),
        ),
        (
            &[
                ("LastError", "-2147009293"),
                ("Status", "2"),
                ("LastErrorDesc", "x "),
            ],
            failed(0x8007_3CF3, Some("x")),
        ),
        (
            &[("Status", "2"), ("LastErrorDescription", "y")],
            failed(0x8000_4005, Some("y")),
        ),
        (&[("LastError", "2147958013")], failed(0x8007_3CFD, None)),
        (&[("Status", "9")], None),
        (&[("Status", "two")], None),
        (&[("LastError", "0")], None),
        (&[("", "Status/LastError")], None),
        (&[], None),
    ] {
        assert_eq!(slot(leaves), expected, "{leaves:?}");
    }
}

#[test]
fn a_status_elsewhere_is_no_slots_status() {
    let below = format!("./User/{APPS}/AppInstallation/{FAMILY}/HostedInstall/Status");
    for uri in [
        "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Push/Status",
        &below,
        "Status",
        "",
    ] {
        assert_eq!(read_slot(&[leaf(uri, "3")]), None, "{uri}");
    }
}

fn alert(kind: &str, uri: &str, data: &str) -> Option<AppAlert> {
    let meta = Meta {
        media_type: Some(kind.to_owned()),
        ..Meta::default()
    };
    read_alert(&Item {
        meta,
        ..leaf(uri, data)
    })
}

#[test]
fn reads_alerts_in_every_observed_spelling() {
    let install = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result";
    let removal = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseAppUninstall.result";
    let (user, device) = (Context::User, Context::Device);
    let family_name = FAMILY.to_owned();
    let installed = |context, code| {
        Some(AppAlert::Installed {
            context,
            family_name: family_name.clone(),
            result: HResult(code),
        })
    };
    let removed = |context, code| {
        Some(AppAlert::Uninstalled {
            context,
            family_name: family_name.clone(),
            result: HResult(code),
        })
    };
    let slot = |root: &str| format!("{root}/AppInstallation/{FAMILY}/HostedInstall");
    let app = |root: &str, rest: &str| format!("{root}/AppManagement/{rest}");
    let user_root = format!("./User/{APPS}");
    let device_root = format!("./{APPS}");
    let full = "Kestrel.Log_4.2.17.0_x64__0pj3s1kq9hd7t";
    for (kind, uri, data, expected) in [
        (install, slot(&user_root), "0", installed(user, 0)),
        (
            install,
            slot(&device_root),
            "-2147009293",
            installed(device, 0x8007_3CF3),
        ),
        (
            install,
            slot("./device/vendor/msft/ENTERPRISEMODERNAPPMANAGEMENT"),
            "0x80073CF3",
            installed(device, 0x8007_3CF3),
        ),
        (
            "enterprisehostedappinstall.RESULT",
            slot(&user_root),
            "2147958003",
            installed(user, 0x8007_3CF3),
        ),
        (
            install,
            slot(&user_root).replace("Kestrel", "%4Bestrel"),
            " 0 ",
            installed(user, 0),
        ),
        (removal, app(&user_root, FAMILY), "0", removed(user, 0)),
        (
            removal,
            app(&device_root, &format!("nonStore/{FAMILY}")),
            "1",
            removed(device, 1),
        ),
        (
            removal,
            app(&user_root, &format!("APPSTORE/{FAMILY}/{full}")),
            "0",
            removed(user, 0),
        ),
        (removal, app(&user_root, full), "0", removed(user, 0)),
        (removal, slot(&user_root), "0", None),
        (removal, app(&user_root, "nonStore"), "0", None),
        (install, slot(&user_root), "soon", None),
        (install, String::new(), "0", None),
        (
            "com.example.NotEnterpriseHostedAppInstall.result",
            slot(&user_root),
            "0",
            None,
        ),
        ("", slot(&user_root), "0", None),
    ] {
        assert_eq!(alert(kind, &uri, data), expected, "{kind} {uri} {data}");
    }
}

const INVENTORY: &str = r#"<?xml version="1.0" encoding="utf-16"?>
<q:Results xmlns:q="urn:any">
  <Row PackageFamilyName="Kestrel.Log_0pj3s1kq9hd7t" PackageFullName="Kestrel.Log_2026.304.0.0_neutral_~_0pj3s1kq9hd7t"
       Version="2026.304.0.0" Publisher="CN=Kestrel &amp; Sons" ResourceID="~" IsBundle="1" IsProvisioned="1"/>
  <Row PackageFamilyName="Kestrel.Log_0pj3s1kq9hd7t" PackageFullName="Kestrel.Log_4.2.17.0_x64__0pj3s1kq9hd7t"
       Version="4.2.17.0" InstallLocation="C:\Apps\Log" ResourceID="" Users="S-1-5-21-7 [2]"><Note/></Row>
  <Row PackageFamilyName="Kestrel.Log_0pj3s1kq9hd7t" PackageFullName="Kestrel.Log_4.2.17.0_x64__0pj3s1kq9hd7t"/>
  <Row PackageFamilyName="Kestrel.Log_0pj3s1kq9hd7t" PackageFullName="Kestrel.Log_4.2.17.0_neutral_split.scale-150_0pj3s1kq9hd7t"/>
  <Row PackageFamilyName="Microsoft.VCLibs.140.00_8wekyb3d8bbwe" PackageFullName="Microsoft.VCLibs.140.00_14.0.3.0_x64__8wekyb3d8bbwe" IsFramework="1"/>
  <q:App packagefullname="Osprey.Map_1.0.0.0_x86__abcdefghjkmnp" ISPROVISIONED="0"/>
  <App PackageFamilyName="Heron.Pay_abcdefghjkmnp"/>
  <Total Count="5"/>
</q:Results>"#;

fn names(apps: &[InstalledApp]) -> Vec<(&str, &str, Option<bool>)> {
    apps.iter()
        .map(|a| (a.package_family_name.as_str(), a.version.as_str(), a.provisioned))
        .collect()
}

#[test]
fn reads_rows_by_attribute_without_frameworks_and_resources() {
    let apps = read_inventory(INVENTORY, Context::Device, Source::AppStore).unwrap();
    assert_eq!(
        names(&apps),
        [
            (FAMILY, "2026.304.0.0", Some(true)),
            (FAMILY, "4.2.17.0", None),
            ("Osprey.Map_abcdefghjkmnp", "1.0.0.0", Some(false)),
            ("Heron.Pay_abcdefghjkmnp", "", None),
        ]
    );
    assert_eq!(apps[1].install_location.as_deref(), Some(r"C:\Apps\Log"));
    assert_eq!(apps[1].users.as_deref(), Some("S-1-5-21-7 [2]"));
    assert_eq!(
        (apps[0].source.as_deref(), apps[0].context),
        (Some("AppStore"), Context::Device)
    );
}

#[test]
fn reads_an_inventory_with_one_level_of_escaping_left() {
    let escaped = quick_xml::escape::escape(INVENTORY.split_once("?>").unwrap().1.trim());
    let apps = read_inventory(&escaped, Context::User, Source::NonStore).unwrap();
    assert_eq!(apps.len(), 4);
}

#[test]
fn an_empty_inventory_is_no_error_and_a_broken_one_is_not_empty() {
    let read = |data: &str| read_inventory(data, Context::User, Source::AppStore);
    for empty in ["", " \n", "\u{FEFF}<Packages/>", "<Packages></Packages>"] {
        assert_eq!(read(empty), Ok(Vec::new()), "{empty:?}");
    }
    let cut = &INVENTORY[..INVENTORY.rfind("<Total").unwrap()];
    assert_eq!(read(cut), Err(ReadError::Truncated));
    for broken in [
        "<Packages",
        "<A></B>",
        "<A x=1/>",
        "<A x='&nbsp;'/>",
        "&lt;A&bad;",
    ] {
        assert!(
            matches!(read(broken), Err(ReadError::Malformed { .. })),
            "{broken}"
        );
    }
    assert_eq!(
        read("no inventory at all"),
        Err(ReadError::Malformed { position: 0 })
    );
    assert_eq!(read(&"<a>".repeat(100)), Err(ReadError::TooLarge));
}

fn holds(c: char) -> bool {
    crate::payload::is_xml_char(c)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_link_in_a_payload_parses_back(link in any::<String>(), more in prop::collection::vec("\\PC{0,30}", 0..4)) {
        let install =
            HostedInstall { package_uri: link.clone(), dependencies: more.clone(), ..HostedInstall::default() };
        let document = payload(hosted_install(Context::Device, FAMILY, &install));
        let mut expected = vec![("Application@PackageUri".to_owned(), link.chars().filter(|c| holds(*c)).collect())];
        let clean = |link: &String| link.chars().filter(|c| holds(*c)).collect::<String>();
        expected.extend(more.iter().map(|link| ("Dependency@PackageUri".to_owned(), clean(link))));
        prop_assert_eq!(attributes(&document), expected);
    }

    #[test]
    fn any_family_name_comes_back_from_its_slot_and_alert(name in "[^_]{1,30}_[a-z0-9]{13}") {
        prop_assume!(Source::parse(&name).is_none() && !name.trim().is_empty());
        let exec = store_install(&name, "9P", "0010");
        let uri = crate::LocUri::parse(&exec.uri).unwrap();
        prop_assert_eq!(uri.segments().count(), 7);
        let alert = alert("EnterpriseHostedAppInstall.result", &exec.uri, "0");
        let (context, result) = (Context::User, HResult::OK);
        prop_assert_eq!(alert, Some(AppAlert::Installed { context, family_name: name, result }));
    }

    #[test]
    fn no_damage_makes_a_reader_panic(at in 0..INVENTORY.len(), with in "[<>/&;=\"' a-zA-Z~_?!-]{0,10}") {
        let damaged = format!("{}{with}{}", &INVENTORY[..at], &INVENTORY[at..]);
        for data in [damaged.as_str(), &with, &INVENTORY[at..]] {
            let _ = read_inventory(data, Context::User, Source::System);
        }
        let items = [leaf(&damaged, &with), leaf(&with, &with), Item::default()];
        let _ = read_slot(&items);
        let _ = items.each_ref().map(read_alert);
    }
}
