//! A small catalogue to show things with, and a large one to page through.

use super::{Image, PackageEntry, Product, ProductKey};
use crate::{
    appx::{AppxError, BundleSpec, PackageSpec, RuntimeNeed, family_name},
    png,
};
use bytes::Bytes;
use qm_core::{Architecture, Version};

/// An online-licensed app with this number of seats, and an offline-licensed one: a bundle for two architectures,
/// its runtime for both, and a license.
pub fn demo(seats: u64) -> Result<Vec<Product>, AppxError> {
    Ok(vec![online(seats)?, offline()?])
}

/// Online-licensed products without packages, for long lists. Their ids are in the order of the list.
pub fn many(count: usize) -> Vec<Product> {
    (0..count)
        .map(|index| {
            let name = format!("Tidepool {index}");
            let family = family_name(&format!("Saltmarsh.Tidepool{index}"), PUBLISHER);
            let key = ProductKey::new(&format!("9MANY{index:07}"), "0010");
            Product::online(key, &name, &family, 10)
        })
        .collect()
}

fn online(seats: u64) -> Result<Product, AppxError> {
    let spec = app("Saltmarsh.TernSketch", "Tern Sketch", Architecture::X64);
    let file = PackageEntry::from_file("TernSketch.msix", spec.build()?.into())?;
    let key = ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1);
    let mut product = Product::online(key, "Tern Sketch", &spec.family_name(), seats).with_texts(
        "de-de",
        "Seeschwalbe",
        "Zeichnen, was vorbeifliegt.",
    );
    product.packages = vec![file];
    product.images = vec![logo([0x1f, 0x5f, 0x8b])];
    Ok(product)
}

fn offline() -> Result<Product, AppxError> {
    let member = |architecture| PackageSpec {
        needs: vec![RuntimeNeed {
            name: RUNTIME.to_owned(),
            publisher: PUBLISHER.to_owned(),
            min_version: Version([14, 0, 30000, 0]),
        }],
        ..app("Saltmarsh.HarborLog", "Harbor Log", architecture)
    };
    let bundle = BundleSpec {
        version: Version([4, 3, 210, 0]),
        packages: vec![member(Architecture::X64), member(Architecture::X86)],
    };
    let runtimes = [runtime(Architecture::X64)?, runtime(Architecture::X86)?];
    let package = PackageEntry::from_files(
        ("HarborLog.msixbundle", bundle.build()?.into()),
        &runtimes.map(|content| ("Runtime.appx", content)),
    )?;
    let key = ProductKey::new(DEMO_OFFLINE.0, DEMO_OFFLINE.1);
    let mut product = Product::offline(key, "Harbor Log", &bundle.family_name()?, vec![package]);
    product.images = vec![logo([0x8b, 0x4a, 0x1f])];
    Ok(product)
}

fn app(identity: &str, display_name: &str, architecture: Architecture) -> PackageSpec {
    PackageSpec {
        display_name: display_name.to_owned(),
        publisher_display_name: "Saltmarsh Software".to_owned(),
        ..PackageSpec::app(identity, PUBLISHER, Version([4, 3, 210, 0]), architecture)
    }
}

fn runtime(architecture: Architecture) -> Result<Bytes, AppxError> {
    let version = Version([14, 0, 33321, 0]);
    let spec = PackageSpec {
        display_name: "Saltmarsh Runtime 14".to_owned(),
        publisher_display_name: "Saltmarsh Software".to_owned(),
        payload: 32 << 10,
        ..PackageSpec::framework(RUNTIME, PUBLISHER, version, architecture)
    };
    spec.build().map(Bytes::from)
}

fn logo(colour: [u8; 3]) -> Image {
    Image {
        purpose: "logo".to_owned(),
        edge: 150,
        content: png::square(150, colour).into(),
    }
}

/// Product id and SKU of the online-licensed app.
pub const DEMO_ONLINE: (&str, &str) = ("9NTERN7SK3TC", "0010");
/// Product id and SKU of the offline-licensed app.
pub const DEMO_OFFLINE: (&str, &str) = ("9NHARB4LG8XP", "0010");
const PUBLISHER: &str = "CN=Saltmarsh Software AB, O=Saltmarsh Software AB, L=Visby, C=SE";
const RUNTIME: &str = "Saltmarsh.Runtime.14";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{appx::PackageIdentity, catalogue::LicenseType};

    #[test]
    fn the_demo_has_one_app_of_each_kind_with_real_packages() {
        let [online, offline] = demo(5).unwrap().try_into().unwrap();
        assert_eq!(
            (online.license_type, online.seat_capacity),
            (LicenseType::Online, 5)
        );
        assert_eq!(offline.license_type, LicenseType::Offline);
        let package = &offline.packages[0];
        assert_eq!(package.file.format, "msixBundle");
        assert_eq!(package.file.architectures, ["x64", "x86"]);
        assert!(package.file.id.ends_with("-X64-X86"));
        let frameworks: Vec<_> = package
            .frameworks
            .iter()
            .map(|f| f.architectures.join("+"))
            .collect();
        assert_eq!(frameworks, ["x64", "x86"]);
        let identity = PackageIdentity::read(&package.file.content).unwrap();
        assert_eq!(offline.family_name, Some(identity.family_name()));
        assert_eq!(online.texts.len(), 2);
    }

    #[test]
    fn long_catalogues_have_well_formed_keys_in_order() {
        let keys: Vec<_> = many(30).into_iter().map(|product| product.key).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.product_id.len() == 12));
    }
}
