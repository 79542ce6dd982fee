//! Licenses before licensed apps.

use super::*;

fn licensed() -> Bench {
    Bench::with(DeviceOptions {
        licenses: Some(Arc::new(|family: &str| family == FAMILY)),
        ..options()
    })
}

#[test]
fn a_licensed_app_needs_its_license_first_in_the_same_scope() {
    let mut bench = licensed();
    let uri = |scope| format!("./{scope}/EMAM/AppLicenses/StoreLicenses/{CONTENT_ID}/AddLicense");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x803F_8001]);
    assert_eq!(bench.rules(), [Rule::License]);
    assert_eq!(bench.exec(&uri("Device"), &license(CONTENT_ID)), 200);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x803F_8001]);
    assert_eq!(bench.exec(&uri("User"), &license(CONTENT_ID)), 200);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
    assert_eq!(bench.rules(), [Rule::License, Rule::License]);
    let store = bench.inventory("User", "<Inventory Source=\"AppStore\"/>");
    assert!(
        store.contains(FAMILY),
        "the signature decides the origin: {store}"
    );
}

#[test]
fn licenses_are_listed_read_and_removed() {
    let mut bench = licensed();
    let base = "./User/EMAM/AppLicenses/StoreLicenses";
    bench.exec(&format!("{base}/{CONTENT_ID}/AddLicense"), &license(CONTENT_ID));
    assert_eq!(bench.read(base), CONTENT_ID);
    assert_eq!(
        bench.read(&format!("{base}/{CONTENT_ID}/LicenseCategory")),
        "Enterprise"
    );
    assert_eq!(
        bench
            .get(&format!("{base}/{CONTENT_ID}?list=StructData"))
            .values
            .len(),
        3
    );
    assert_eq!(bench.read("./Device/EMAM/AppLicenses/StoreLicenses"), CONTENT_ID);
    let uri = format!("{base}/{CONTENT_ID}");
    assert_eq!((bench.delete(&uri), bench.delete(&uri)), (200, 404));
}

#[test]
fn licenses_that_are_none_are_refused() {
    let other = "11111111-7be2-4f6e-9b13-c2f08e77a3d6";
    for (id, payload) in [
        (CONTENT_ID, license(other)),
        (FAMILY, license(CONTENT_ID)),
        (CONTENT_ID, "<License Content=\"!\"/>".to_owned()),
        (CONTENT_ID, "<License Content=\"\"/>".to_owned()),
        (CONTENT_ID, "<License Content=\"bm8=\"/>".to_owned()),
        (CONTENT_ID, license(CONTENT_ID).replace("/>", ">")),
    ] {
        let mut bench = licensed();
        let uri = format!("./User/EMAM/AppLicenses/StoreLicenses/{id}/AddLicense");
        assert_eq!(
            (bench.exec(&uri, &payload), bench.rules()),
            (500, vec![Rule::Payload]),
            "{id} {payload}"
        );
    }
}
