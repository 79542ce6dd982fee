//! Documents as large as the limits allow, shaped so that a reader that goes over its input again and again would not
//! end. No clock is looked at: such a test hangs, and the test runner says so.

use qm_hostile::{
    app_inventory, csr, ddf, device_values, license, locuri, package_parts, session, soap, syncml_wbxml,
    syncml_xml,
};
use std::fmt::Write as _;

const LONG: usize = 1 << 18;

fn many(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

fn message(body: &str) -> String {
    format!("<SyncML><SyncHdr><MsgID>2</MsgID></SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>")
}

fn data(content: &str) -> String {
    message(&format!("<Replace><Item><Data>{content}</Data></Item></Replace>"))
}

#[test]
fn messages_with_much_of_one_thing() {
    for document in [
        data(&"&amp;".repeat(LONG / 4)),
        data(&"<![CDATA[]]>".repeat(LONG / 8)),
        data(&"<x/>".repeat(LONG / 4)),
        data(&"\r\n".repeat(LONG / 2)),
        message(&"<!---->".repeat(LONG / 8)),
        message(&"<Get/>".repeat(10_000)),
        message(&format!("<Get>{}</Get>", "<Item/>".repeat(30_000))),
        message(&format!("<Get {}/>", many(30_000, |n| format!("a{n}='' ")))),
        message(&format!(
            "<Status><Data {}>200</Data></Status>",
            many(20_000, |n| format!("a{n}='' "))
        )),
        message(&"<".repeat(LONG)),
        message(&"<a>".repeat(LONG / 4)),
        format!("<{}>", "a".repeat(LONG)),
    ] {
        syncml_xml(document.as_bytes());
    }
}

#[test]
fn binary_messages_that_refer_to_one_long_string() {
    let long = 1 << 16;
    let table = [
        &[0x02, 0xA4, 0x01, 0x6A, 0x84, 0x80, 0x00],
        vec![b'a'; long].as_slice(),
    ]
    .concat();
    let header = [&table[..], &[0x6D, 0x6C, 0x5B, 0x03, b'1', 0, 0x01, 0x01, 0x6B]].concat();
    for token in [
        &[0x83, 0x00][..],
        &[0x04, 0x00],
        &[0xC4, 0x00, 0x04, 0x00],
        &[0x43, 0x00],
        &[0x40],
    ] {
        let mut document = [&header[..], &[0x60, 0x54, 0x4F]].concat();
        document.extend(token.repeat(LONG / 4));
        syncml_wbxml(&document);
    }
}

#[test]
fn a_device_that_answers_one_command_with_very_many_items() {
    let item = |n| format!("<Item><Source><LocURI>./a</LocURI></Source><Data>{n}</Data></Item>");
    let results = |items: String| {
        message(&format!(
            "<Results><MsgRef>1</MsgRef><CmdRef>2</CmdRef>{items}</Results>"
        ))
    };
    session(results(many(10_000, item)).as_bytes());
    let chunk = |n| format!("<Item><Data>{n}</Data><MoreData/></Item>");
    let first = "<Meta><Size>9</Size></Meta>".to_owned();
    session(results(first + &many(10_000, chunk)).as_bytes());
}

#[test]
fn enrollment_messages_at_their_limits() {
    let soap_12 = "http://www.w3.org/2003/05/soap-envelope";
    let envelope = |attributes: &str, body: &str| {
        format!("<s:Envelope xmlns:s='{soap_12}' {attributes}><s:Body>{body}</s:Body></s:Envelope>")
    };
    let namespaces = many(127, |n| format!("xmlns:n{n}='urn:{n}' "));
    for document in [
        envelope("", &many(1_990, |n| format!("<a b{n}=''/>"))),
        envelope(&namespaces, &"<n0:a/>".repeat(1_990)),
        envelope("", &many(1_990, |n| format!("<a xmlns:b{n}=''/>"))),
        envelope("", &"&#xD;".repeat(20_000)),
        envelope(&many(15_000, |n| format!("a{n}='' ")), ""),
    ] {
        soap(document.as_bytes());
    }
    csr("&#xD;".repeat(6_500).as_bytes());
    csr(&[0x30; 16 * 1024]);
}

#[test]
fn descriptions_and_inventories_at_their_limits() {
    let tree = |nodes: &str| {
        format!("<MgmtTree><Node><NodeName>a</NodeName><Path>./Vendor/MSFT</Path>{nodes}</Node></MgmtTree>\n")
    };
    let flat = tree(&many(49_000, |n| {
        format!("<Node><NodeName>n{n}</NodeName></Node>")
    }));
    ddf(format!("{flat}./Vendor/MSFT/a/n48999").as_bytes());
    let branching = tree(&"<Node><NodeName/>".repeat(60)) + &"</Node>".repeat(60);
    ddf(format!("{branching}./Vendor/MSFT/a{}", "/b".repeat(60)).as_bytes());
    let row = |n| format!("<a PackageFamilyName='F{n}_x' PackageFullName='F{n}_1_x64__x'/>");
    app_inventory(format!("<i>{}</i>", many(19_000, row)).as_bytes());
    app_inventory(format!("<i {}/>", many(30_000, |n| format!("a{n}='' "))).as_bytes());
    app_inventory("&lt;i/&gt;".repeat(LONG / 16).as_bytes());
}

#[test]
fn addresses_and_values_beyond_all_measure() {
    for piece in ["./", "%41", "%", "/a", "?", "a"] {
        locuri(format!("./{}", piece.repeat(LONG / 4)).as_bytes());
        locuri(format!("./{}", piece.repeat(600)).as_bytes());
    }
    device_values(many(20_000, |n| format!("./a{n}=1\n")).as_bytes());
    device_values(format!("./{}=1\n", "/a".repeat(LONG / 4)).as_bytes());
}

#[test]
fn manifests_at_their_limits() {
    let identity = "<Identity Name='Probe.App' Publisher='CN=P' Version='1.0.0.0'/><Properties/>";
    let package = |inside: &str| format!("<Package xmlns='urn:m'>{identity}{inside}</Package>");
    let needs = many(20_000, |n| {
        format!("<PackageDependency Name='n{n}' MinVersion='1.0'/>")
    });
    let families = many(20_000, |n| {
        format!("<TargetDeviceFamily Name='n{n}' MinVersion='1.0'/>")
    });
    let entry = "<Package Type='application' Version='1.0.0.0' FileName='a.msix'/>";
    let bundle = format!("<Bundle xmlns='urn:b'>{identity}<Packages>{entry}</Packages></Bundle>");
    for inside in [
        format!("<Dependencies>{needs}</Dependencies>"),
        format!("<Dependencies>{families}</Dependencies>"),
        format!("<a {}/>", many(30_000, |n| format!("xmlns:n{n}='' "))),
        format!("<a {}/>", many(30_000, |n| format!("a{n}='' "))),
        "&amp;".repeat(LONG / 4),
        "<a>".repeat(LONG / 4),
    ] {
        let member = format!("open a.msix\npart AppxManifest.xml\n{}\nshut\n", package(&inside));
        package_parts(format!("{member}part AppxMetadata/AppxBundleManifest.xml\n{bundle}").as_bytes());
    }
    license(
        format!(
            "<License LicenseID='a' {}/>",
            many(20_000, |n| format!("a{n}='' "))
        )
        .as_bytes(),
    );
    license("A".repeat(250_000).as_bytes());
}

#[test]
fn archives_with_very_many_entries() {
    let mut description = String::new();
    for n in 0..900 {
        let _ = writeln!(description, "part Assets/{n}.png\n.");
    }
    package_parts(description.as_bytes());
}
