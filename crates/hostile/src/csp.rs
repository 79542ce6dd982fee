//! Addresses, descriptions and values of a device's management tree.

use qm_core::deployment::Context;
use qm_csp::{
    LocUri,
    app_management::{Source, read_alert, read_inventory, read_slot},
    ddf::{DdfLimits, DdfTree},
    device_management::{DeviceFacts, read_inventory_item},
    locuri::{decode_segment, encode_segment},
};
use qm_syncml::{Item, Meta};
use std::str;

/// The address of a node.
pub fn locuri(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    assert_eq!(
        decode_segment(&encode_segment(text)),
        text,
        "any name survives as a segment"
    );
    let Ok(uri) = LocUri::parse(text) else { return };
    assert_eq!(uri.as_str(), text, "the spelling is kept");
    assert!(text.len() <= LocUri::MAX_LENGTH && uri.segments().count() <= LocUri::MAX_SEGMENTS);
    assert!(
        uri.segments()
            .all(|segment| !segment.is_empty() && segment != "..")
    );
    assert!(
        uri.eq_ignore_case(&text.to_ascii_uppercase()),
        "case does not count"
    );
    let spelled: Vec<_> = uri
        .segments()
        .map(|segment| encode_segment(&decode_segment(segment)))
        .collect();
    assert!(
        uri.eq_ignore_case(&format!("./{}", spelled.join("/"))),
        "percent-encoding does not count"
    );
}

/// A description file, and the nodes found in it.
pub fn ddf(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // The last line may name a node to look for.
    let (xml, name) = text.rsplit_once('\n').unwrap_or((text, ""));
    let Ok(mut tree) = DdfTree::parse(xml, DdfLimits::default()) else {
        return;
    };
    if let Ok(uri) = LocUri::parse(name.trim()) {
        let found = tree.find(&uri).is_some();
        let before = tree.clone();
        tree.merge(before);
        assert_eq!(
            tree.find(&uri).is_some(),
            found,
            "a tree merged with itself has no more nodes"
        );
        let _ = tree.check(qm_core::command::Verb::Get, &uri, None);
    }
}

/// The document of an app inventory.
pub fn app_inventory(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for (context, source) in [
        (Context::User, Source::AppStore),
        (Context::Device, Source::NonStore),
    ] {
        let Ok(apps) = read_inventory(text, context, source) else {
            continue;
        };
        // An app takes at least its element and one name.
        assert!(
            apps.len() <= input.len() / 8,
            "{} apps in {} bytes",
            apps.len(),
            input.len()
        );
        assert!(apps.iter().all(|app| !app.package_family_name.is_empty()));
    }
}

/// Lines of `address = value`: read as inventory of the device, as state of a job slot and as alerts about an app.
pub fn device_values(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut facts = DeviceFacts::default();
    let mut items = Vec::new();
    for (uri, value) in text.lines().filter_map(|line| line.split_once('=')) {
        read_inventory_item(uri, value, &mut facts);
        items.push(Item {
            source: Some(uri.to_owned()),
            meta: Meta {
                media_type: Some(
                    "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseAppUninstall.result".to_owned(),
                ),
                ..Meta::default()
            },
            data: Some(value.to_owned()),
            ..Item::default()
        });
    }
    let _ = read_slot(&items);
    for item in &items {
        let _ = read_alert(item);
    }
    assert!(facts.details.len() <= 256, "details are counted");
    assert!(
        facts
            .details
            .values()
            .all(|value| !value.is_empty() && value.len() <= 8 * 1024),
        "values are short"
    );
}
