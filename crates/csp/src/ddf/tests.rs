use super::*;
use crate::{CspCommand, app_management as apps, device_management as device};
use proptest::prelude::*;
use qm_core::{DeviceId, Rng, Timestamp, deployment::Context};

/// The form of the published files: mark, DOCTYPE with an internal subset, extensions, white space, CDATA.
const SAMPLE: &str = "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE MgmtTree PUBLIC \" -//OMA//DTD-DM-DDF 1.2//EN\"
  \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\"
  [<?oma-dm-ddf-ver supported-versions=\"1.2\"?> <!ENTITY boom \"<Node/>\">]>
<MgmtTree xmlns:MSFT=\"http://schemas.microsoft.com/MobileDevice/DM\">
  <VerDTD>1.2</VerDTD>
  <MSFT:Diagnostics></MSFT:Diagnostics>
  <Node>
    <NodeName>Lantern</NodeName>
    <Path>./User/Vendor/MSFT/</Path>
    <DFProperties>
      <AccessType><Get /></AccessType>
      <Description><![CDATA[Everything under <Node> is invented.]]> &boom;</Description>
      <DFFormat><node /></DFFormat>
      <Occurrence><One /></Occurrence>
      <Scope><Permanent /></Scope>
      <DFType><DDFName /></DFType>
      <MSFT:Applicability><MSFT:OsBuildVersion>10.0.19041</MSFT:OsBuildVersion></MSFT:Applicability>
      <MSFT:AllowedValues ValueType=\"XSD\"><Node><NodeName>Trap</NodeName></Node></MSFT:AllowedValues>
    </DFProperties>
    <Node>
      <NodeName></NodeName>
      <DFProperties>
        <AccessType><Add /><Copy /><Delete /><Get /></AccessType>
        <DFFormat><node /></DFFormat>
        <Occurrence><ZeroOrN /></Occurrence>
        <Scope><Dynamic /></Scope>
        <DFTitle>Wick &amp; oil</DFTitle>
      </DFProperties>
      <Node>
        <NodeName>Light </NodeName>
        <DFProperties><AccessType><Exec /></AccessType><DFFormat><null /></DFFormat></DFProperties>
      </Node>
    </Node>
    <Node>
      <NodeName>Height</NodeName>
      <DFProperties><AccessType><Get /><Replace /></AccessType><DFFormat><int /></DFFormat></DFProperties>
    </Node>
  </Node>
</MgmtTree>
";

fn sample() -> DdfTree {
    DdfTree::parse(SAMPLE, DdfLimits::default()).unwrap()
}

fn uri(text: &str) -> LocUri {
    LocUri::parse(text).unwrap()
}

#[test]
fn reads_the_published_form() {
    let tree = sample();
    let root = tree.find(&uri("./User/Vendor/MSFT/Lantern")).unwrap();
    assert_eq!(root.since.as_deref(), Some("10.0.19041"));
    assert_eq!(
        (root.occurrence, root.scope),
        (Some(Occurrence::One), Some(NodeScope::Permanent))
    );
    assert_eq!(root.children.len(), 2);
    let chosen = tree
        .find(&uri("./user/vendor/msft/lantern/anything%20at%20all"))
        .unwrap();
    assert_eq!(
        (chosen.name.as_deref(), chosen.title.as_deref()),
        (None, Some("Wick & oil"))
    );
    assert_eq!(chosen.access, [Verb::Add, Verb::Delete, Verb::Get]);
    assert_eq!(chosen.occurrence, Some(Occurrence::ZeroOrMore));
}

#[test]
fn a_fixed_name_wins_over_a_chosen_one() {
    let tree = sample();
    let format = |text| tree.find(&uri(text)).and_then(|node| node.format.as_deref());
    assert_eq!(format("./User/Vendor/MSFT/Lantern/Height"), Some("int"));
    assert_eq!(format("./User/Vendor/MSFT/Lantern/Height/Light"), Some("null"));
    assert_eq!(format("./User/Vendor/MSFT/Lantern/a/Dark"), None);
    assert_eq!(format("./Vendor/MSFT/Lantern"), None);
    assert_eq!(format("./User/Vendor/MSFT/Lantern/Trap/Light/more"), None);
    assert_eq!(format("./User/Vendor"), None);
}

#[test]
fn checks_verb_format_and_query() {
    let tree = sample();
    let check = |verb, text, format| tree.check(verb, &uri(text), format);
    let height = "./User/Vendor/MSFT/Lantern/Height";
    assert_eq!(check(Verb::Replace, height, Some("int")), Ok(()));
    assert_eq!(check(Verb::Get, height, None), Ok(()));
    for given in [None, Some("chr"), Some("node")] {
        let violation = check(Verb::Replace, height, given);
        assert!(
            matches!(violation, Err(DdfViolation::Format { .. })),
            "{given:?}: {violation:?}"
        );
    }
    assert_eq!(
        check(Verb::Delete, height, None),
        Err(DdfViolation::Verb {
            verb: Verb::Delete,
            allowed: vec![Verb::Get, Verb::Replace]
        })
    );
    let light = "./User/Vendor/MSFT/Lantern/a/Light";
    assert_eq!(check(Verb::Exec, light, Some("chr")), Ok(()));
    assert_eq!(check(Verb::Exec, light, None), Ok(()));
    assert!(check(Verb::Exec, light, Some("node")).is_err());
    let all = "./User/Vendor/MSFT/Lantern/a?list=StructData";
    assert_eq!(check(Verb::Get, all, None), Ok(()));
    assert_eq!(check(Verb::Delete, all, None), Err(DdfViolation::Query));
    assert_eq!(
        check(Verb::Get, "./Vendor/MSFT/Lantern", None),
        Err(DdfViolation::UnknownNode)
    );
}

#[test]
fn rejects_what_is_no_description() {
    let parse = |xml: &str| DdfTree::parse(xml, DdfLimits::default()).unwrap_err();
    assert_eq!(parse(""), DdfError::NotDdf);
    assert_eq!(parse("<html/>"), DdfError::NotDdf);
    assert_eq!(parse("<MgmtTree><Node>"), DdfError::Truncated);
    assert_eq!(
        parse("<MgmtTree><Node><NodeName>A</NodeName></Node></MgmtTree>"),
        DdfError::NoPath
    );
    assert_eq!(
        parse("<MgmtTree><Node><Path>./Vendor</Path></Node></MgmtTree>"),
        DdfError::NoPath
    );
    assert!(matches!(parse("<MgmtTree></Node>"), DdfError::Malformed { .. }));
    let entity = "<!DOCTYPE a [<!ENTITY e 'B'>]><MgmtTree><Node><NodeName>&e;</NodeName></Node></MgmtTree>";
    assert!(matches!(parse(entity), DdfError::Malformed { .. }));
}

#[test]
fn stops_at_each_limit() {
    let wide = DdfLimits::default();
    for limits in [
        DdfLimits {
            bytes: SAMPLE.len() - 1,
            ..wide
        },
        DdfLimits { nodes: 3, ..wide },
        DdfLimits { depth: 6, ..wide },
    ] {
        assert_eq!(
            DdfTree::parse(SAMPLE, limits),
            Err(DdfError::TooLarge),
            "{limits:?}"
        );
    }
    let exact = DdfLimits {
        bytes: SAMPLE.len(),
        nodes: 4,
        depth: 7,
    };
    assert!(DdfTree::parse(SAMPLE, exact).is_ok());
}

/// One of everything that the builders make.
fn everything() -> Vec<CspCommand> {
    let family = "Kestrel.Log_0pj3s1kq9hd7t";
    let install = apps::HostedInstall {
        package_uri: "https://x.example/a.msix".to_owned(),
        ..Default::default()
    };
    let mut all = vec![apps::store_install(family, "9NTEST", "0010"), device::unenroll()];
    for context in Context::ALL.iter().copied() {
        all.extend([
            apps::add_slot(context, family),
            apps::hosted_install(context, family, &install),
            apps::poll_slot(context, family),
            apps::delete_slot(context, family),
            apps::add_license(context, "{5d0c8a41}", "TElD"),
            apps::delete_license(context, "5d0c8a41"),
            apps::inventory_results(context),
        ]);
        for source in apps::Source::ALL.iter().copied() {
            all.push(apps::inventory_query(context, source));
            all.push(apps::uninstall(context, source, family));
        }
    }
    let id = DeviceId::new(Timestamp::from_millis(1_000), &Rng::seeded(3));
    all.extend(device::inventory_reads());
    all.extend(device::dmclient_settings(id, Some("5.0")));
    all
}

#[test]
fn every_builder_keeps_to_our_descriptions() {
    for command in everything() {
        let checked = known_nodes().check(command.verb, &uri(&command.uri), command.format.as_deref());
        assert_eq!(checked, Ok(()), "{command:?}");
    }
}

#[test]
fn our_descriptions_have_no_store_install_for_devices() {
    let path = "Vendor/MSFT/EnterpriseModernAppManagement/AppInstallation/a_b/StoreInstall";
    let check = |scope| known_nodes().check(Verb::Exec, &uri(&format!("./{scope}/{path}")), Some("xml"));
    assert_eq!(check("User"), Ok(()));
    assert_eq!(check("Device"), Err(DdfViolation::UnknownNode));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_makes_the_parser_panic(cut in 0..SAMPLE.len(), with in "[<>/&;\\[\\]!a-zA-Z \"?-]{0,8}") {
        let cut = (0..=cut).rev().find(|at| SAMPLE.is_char_boundary(*at)).unwrap_or(0);
        let damaged = format!("{}{with}{}", &SAMPLE[..cut], &SAMPLE[cut..]);
        let _ = DdfTree::parse(&damaged, DdfLimits::default());
        let _ = DdfTree::parse(&SAMPLE[..cut], DdfLimits::default());
    }
}
