use crate::support::{Stage, column, offline, offline_key, online_key, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use qm_core::{Architecture, Version};
use qm_store_sim::{
    Fault, MissingLanguage, Operation, Ownership, SimConfig, ViolationKind,
    appx::{PackageIdentity, PackageSpec},
    catalogue::{PackageEntry, Product, ProductKey},
};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn details_carry_the_family_name_and_the_platforms() {
    let stage = Stage::demo().await;
    let details = stage.get(&offline("")).await.ok();
    let family_name = text(&details["packageFamilyName"]);
    assert!(family_name.starts_with("Saltmarsh.HarborLog_"), "{family_name}");
    assert_eq!(
        details["supportedPlatforms"][0]["platformName"],
        "Windows.Desktop"
    );
    assert_eq!(details["supportedPlatforms"][0]["minVersion"]["build"], 17763);
    assert_eq!(
        details["supportedPlatforms"][0]["architectures"],
        json!(["x64", "x86"])
    );
    let lower = stage
        .get(&offline("").to_lowercase().replace("products", "Products"))
        .await
        .ok();
    assert_eq!(
        lower["productKey"]["productId"],
        offline_key().product_id,
        "ids compare without case"
    );
    stage.sim.set_ownership(&offline_key(), Ownership::NotOwned);
    stage.get(&offline("")).await.ok();
    assert_eq!(stage.get("/Products/9UNKNOWN0000/0010").await.status, 404);
    assert_eq!(
        stage.get("/Products/9NHARB4LG8XP/10").await.refusal(),
        (400, "skuId")
    );
    assert_eq!(
        stage.get("/Products/short/0010").await.refusal(),
        (400, "productId")
    );
}

#[tokio::test]
async fn texts_fall_back_and_say_so_or_are_not_found() {
    let stage = Stage::demo().await;
    let path = |language: &str| format!("/Products/{}/LocalizedDetails/{language}", online_key());
    for (asked, delivered, name) in [
        ("de-de", "de-de", "Seeschwalbe"),
        ("DE-at", "de-de", "Seeschwalbe"),
        ("fr-be", "en-us", "Tern Sketch"),
    ] {
        let texts = stage.get(&path(asked)).await.ok();
        assert_eq!(
            (text(&texts["language"]), text(&texts["displayName"])),
            (delivered.to_owned(), name.to_owned())
        );
        assert_eq!(texts["publisher"]["publisherName"], "Saltmarsh Software");
    }
    assert_eq!(
        stage.get(&path("english_please")).await.refusal(),
        (400, "language")
    );
    assert_eq!(
        stage
            .get("/Products/9UNKNOWN0000/0010/LocalizedDetails/en-us")
            .await
            .refusal(),
        (404, "Product/SKU")
    );
    let strict = Stage::with(SimConfig {
        missing_language: MissingLanguage::NotFound,
        ..SimConfig::default()
    })
    .await;
    assert_eq!(strict.get(&path("fr-be")).await.refusal(), (404, "language"));
}

#[tokio::test]
async fn images_are_served_by_the_content_host() {
    let stage = Stage::demo().await;
    let texts = stage.get(&offline("/LocalizedDetails/en-us")).await.ok();
    let image = &texts["images"][0];
    assert_eq!(
        (&image["height"], &image["purpose"]),
        (&"150".into(), &"logo".into())
    );
    let response = stage.http.get(text(&image["location"])).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/png");
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    assert_eq!(image["fileSize"], bytes.len());
    let missing = format!("{}/i/9UNKNOWN0000-0010-0.png", stage.sim.content_url());
    assert_eq!(stage.http.get(missing).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_package_set_lists_packages_with_their_frameworks() {
    let stage = Stage::demo().await;
    let set = stage.get(&offline("/Packages")).await.ok();
    let package = &set["productPackages"][0];
    assert_eq!(package["packageFormat"], "msixBundle");
    assert_eq!(package["packageIdentityName"], "Saltmarsh.HarborLog");
    assert_eq!(
        package["version"],
        json!({"major": 4, "minor": 3, "build": 210, "revision": 0})
    );
    let frameworks = &package["frameworkDependencyPackages"];
    assert_eq!(
        column(frameworks, "packageIdentityName"),
        ["Saltmarsh.Runtime.14"; 2]
    );
    assert_eq!(column(frameworks, "packageFormat"), ["appx"; 2]);
    assert!(frameworks[0].get("frameworkDependencyPackages").is_none());

    let id = text(&package["packageId"]);
    let one = stage.get(&offline(&format!("/Packages/{id}"))).await.ok();
    assert_eq!(one["fileHash"], package["fileHash"]);
    assert_ne!(one["location"], package["location"], "the address is fresh");
    let old = stage.get(&offline(&format!("/Packages/{}", Uuid::nil()))).await;
    assert_eq!(old.refusal(), (400, "packageId"));
    assert_eq!(
        stage.get(&offline("/Packages/nonsense")).await.refusal(),
        (400, "packageId")
    );
    assert_eq!(
        stage.get("/Products/9UNKNOWN0000/0010/Packages").await.status,
        404
    );
    stage.sim.set_ownership(&offline_key(), Ownership::Removed);
    assert_eq!(
        stage.get(&offline("/Packages")).await.refusal(),
        (409, "Not owned")
    );
    assert_eq!(
        stage.get(&offline(&format!("/Packages/{id}"))).await.refusal(),
        (409, "Not owned")
    );
}

#[tokio::test]
async fn packages_can_lie_about_themselves_or_have_no_address() {
    let stage = Stage::demo().await;
    let honest = stage.get(&offline("/Packages")).await.ok();
    let honest = &honest["productPackages"][0];
    for fault in [Fault::WrongHash, Fault::WrongSize, Fault::NoAddresses] {
        stage.sim.inject(fault.clone());
        let set = stage.get(&offline("/Packages")).await.ok();
        let package = &set["productPackages"][0];
        assert_eq!(
            package["fileHash"] != honest["fileHash"],
            fault == Fault::WrongHash
        );
        let one_more = honest["fileSize"].as_u64().unwrap() + u64::from(fault == Fault::WrongSize);
        assert_eq!(package["fileSize"], one_more);
        assert_eq!(package["location"].is_null(), fault == Fault::NoAddresses);
    }
    stage.sim.inject(Fault::AddressesLast(Duration::ZERO));
    let expired = stage.address().await;
    assert_eq!(stage.http.get(expired).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn products_can_have_no_packages_or_ones_of_other_kinds() {
    let stage = Stage::demo().await;
    stage.sim.update_product(&offline_key(), |product| {
        let file = &mut product.packages[0].file;
        file.full_name.clear();
        file.format = "Xap".to_owned();
        file.downloadable = false;
    });
    let set = stage.get(&offline("/Packages")).await.ok();
    let package = &set["productPackages"][0];
    assert_eq!(
        (&package["packageFullName"], &package["packageFormat"]),
        (&"".into(), &"Xap".into())
    );
    assert!(package["location"].is_null());
    stage
        .sim
        .update_product(&offline_key(), |product| product.packages.clear());
    let empty = stage.get(&offline("/Packages")).await.ok();
    assert_eq!(empty["productPackages"], json!([]));
    assert_ne!(empty["packageSetId"], set["packageSetId"]);
}

#[tokio::test]
async fn somebody_elses_package_becomes_a_product() {
    let stage = Stage::demo().await;
    let version = Version([1, 2, 3, 0]);
    let spec = PackageSpec::app("Elsewhere.Kiln", "CN=Elsewhere", version, Architecture::Arm64);
    let package = PackageEntry::from_file("kiln.msix", spec.build().unwrap().into()).unwrap();
    assert_eq!(package.family_name(), spec.family_name());
    let key = ProductKey::new("9KILN0000000", "0010");
    let product = Product::offline(key.clone(), "Kiln", &package.family_name(), vec![package]);
    stage.sim.put_product(product.online_twin("0011", 4));
    stage.sim.put_product(product);
    let set = stage.get(&format!("/Products/{key}/Packages")).await.ok();
    assert_eq!(set["productPackages"][0]["packageFullName"], spec.full_name());
    assert_eq!(set["productPackages"][0]["architectures"], json!(["arm64"]));
    let twin = stage.get("/Products/9KILN0000000/0011").await.ok();
    assert_eq!(twin["packageFamilyName"], spec.family_name());
    assert_eq!(stage.sim.products().len(), 4);
}

#[tokio::test]
async fn licenses_are_for_main_packages_of_offline_licensed_products() {
    let stage = Stage::demo().await;
    let set = stage.get(&offline("/Packages")).await.ok();
    let package = &set["productPackages"][0];
    let content_id = text(&package["contentId"]);
    let path = offline(&format!("/OfflineLicense/{content_id}"));
    let license = stage.post(&path).await.ok();
    assert_eq!(license["contentId"], content_id);
    let document = STANDARD.decode(text(&license["licenseBlob"])).unwrap();
    let document = String::from_utf8(document).unwrap();
    assert!(
        document.contains(&content_id) && document.contains("saltmarsh.harborlog_"),
        "{document}"
    );

    let again = stage.post(&path).await.ok();
    assert_eq!(again, license, "the same license until it is renewed");
    stage
        .sim
        .renew_license(&offline_key(), content_id.parse().unwrap());
    let renewed = stage.post(&path).await.ok();
    assert_ne!(renewed["licenseInstanceId"], license["licenseInstanceId"]);
    assert_eq!(renewed["requestorId"], license["requestorId"]);

    stage.sim.inject(Fault::LicenseLineBreaks);
    assert!(text(&stage.post(&path).await.ok()["licenseBlob"]).contains("\r\n"));
    stage.sim.assert_no_violations();

    let framework = text(&package["frameworkDependencyPackages"][0]["contentId"]);
    assert_eq!(
        stage
            .post(&offline(&format!("/OfflineLicense/{framework}")))
            .await
            .status,
        404
    );
    assert_eq!(stage.sim.violations()[0].kind, ViolationKind::LicenseForFramework);
    assert_eq!(
        stage.post(&offline("/OfflineLicense/none")).await.refusal(),
        (400, "contentId")
    );
    stage.sim.set_ownership(&offline_key(), Ownership::NotOwned);
    assert_eq!(stage.post(&path).await.refusal(), (409, "Not owned"));
    stage.sim.forget_product(&offline_key());
    assert_eq!(stage.post(&path).await.status, 404);
}

#[tokio::test]
async fn online_licensed_products_have_no_license_whatever_the_status() {
    for (online_license_is_not_found, status) in [(false, 409), (true, 404)] {
        let stage = Stage::with(SimConfig {
            online_license_is_not_found,
            ..SimConfig::default()
        })
        .await;
        let path = format!("/Products/{}/OfflineLicense/{}", online_key(), Uuid::nil());
        assert_eq!(stage.post(&path).await.status, status);
        assert_eq!(stage.sim.count(Operation::OfflineLicense), 1);
    }
}

#[tokio::test]
async fn downloaded_packages_are_what_was_announced() {
    let stage = Stage::demo().await;
    let set = stage.get(&offline("/Packages")).await.ok();
    let package = &set["productPackages"][0];
    let frameworks = package["frameworkDependencyPackages"].as_array().unwrap();
    for announced in std::iter::once(package).chain(frameworks) {
        let url = text(&announced["location"]["url"]);
        let request = stage.http.request(Method::GET, url);
        let bytes = request.send().await.unwrap().bytes().await.unwrap();
        assert_eq!(announced["fileSize"], bytes.len());
        let identity = PackageIdentity::read(&bytes).unwrap();
        assert_eq!(announced["packageFullName"], identity.full_name());
    }
    stage.sim.assert_no_violations();
}
