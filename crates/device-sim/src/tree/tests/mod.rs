//! A tree in a test; the tests by subject.

mod deployment;
mod inventory;
mod licenses;
mod nodes;
mod removal;
mod slots;
mod store;

use super::{
    apps::{Download, Fetched},
    *,
};
use crate::testing::{account, bundle, framework, hardware, needs, options, package};
use crate::{Seat, StorePackage};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{Architecture, Sha256, Version};
use qm_syncml::Encoding;
use std::sync::Arc;

/// A tree with its world.
struct Bench {
    options: DeviceOptions,
    tree: Tree,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: DeviceOptions) -> Self {
        let tree = Tree::new(&options, &hardware(), &account(Encoding::Xml));
        Self {
            options,
            tree,
            watch: Watch::default(),
        }
    }

    /// `PFN` and `EMAM` stand for the app's family and the CSP's root.
    fn call(&mut self, verb: Verb, uri: &str, format: Option<&str>, data: &str) -> Outcome {
        let address = Address::parse(&full(uri)).unwrap();
        let call = Call {
            verb,
            address: &address,
            format,
            data,
        };
        self.tree.perform(
            call,
            &mut World {
                options: &self.options,
                watch: &mut self.watch,
            },
        )
    }
    fn get(&mut self, uri: &str) -> Outcome {
        self.call(Verb::Get, uri, None, "")
    }
    fn read(&mut self, uri: &str) -> String {
        let outcome = self.get(uri);
        assert_eq!(outcome.status, 200, "{uri}");
        outcome.values[0].data.clone()
    }
    fn add(&mut self, uri: &str) -> u16 {
        self.call(Verb::Add, uri, Some("node"), "").status
    }
    fn exec(&mut self, uri: &str, data: &str) -> u16 {
        self.call(Verb::Exec, uri, Some("xml"), data).status
    }
    fn replace(&mut self, uri: &str, format: &str, data: &str) -> u16 {
        self.call(Verb::Replace, uri, Some(format), data).status
    }
    fn delete(&mut self, uri: &str) -> u16 {
        self.call(Verb::Delete, uri, None, "").status
    }

    /// Time passes; hosted jobs get these files.
    fn tick(&mut self, files: &[Vec<u8>]) {
        let signed_in = self.tree.login() == Login::User;
        let mut world = World {
            options: &self.options,
            watch: &mut self.watch,
        };
        for job in self.tree.apps.tick(signed_in, &mut world) {
            let fetched = files.iter().map(|bytes| fetched(bytes)).collect();
            self.tree.apps.finish(&job, Ok(fetched), None, &mut world);
        }
    }

    /// Adds the slot, executes the install, lets it happen; the alerts' codes.
    fn host(&mut self, scope: &str, files: &[Vec<u8>]) -> Vec<u32> {
        self.add(&format!("./{scope}/EMAM/AppInstallation/PFN"));
        assert_eq!(
            self.exec(
                &format!("./{scope}/EMAM/AppInstallation/PFN/HostedInstall"),
                HOSTED
            ),
            202
        );
        self.tick(files);
        self.alerts()
    }

    fn alerts(&mut self) -> Vec<u32> {
        self.tree
            .apps
            .take_alerts()
            .iter()
            .map(|alert| alert.code.0)
            .collect()
    }

    fn inventory(&mut self, scope: &str, query: &str) -> String {
        let base = format!("./{scope}/EMAM/AppManagement");
        assert_eq!(
            self.replace(&format!("{base}/AppInventoryQuery"), "xml", query),
            200
        );
        self.read(&format!("{base}/AppInventoryResults"))
    }

    fn rules(&self) -> Vec<Rule> {
        self.watch.rules()
    }
}

fn full(uri: &str) -> String {
    uri.replace("EMAM", "Vendor/MSFT/EnterpriseModernAppManagement")
        .replace("PFN", FAMILY)
}

fn fetched(bytes: &[u8]) -> Fetched {
    let (family_name, url) = (FAMILY.to_owned(), "https://cdn.north.example/p.msix".to_owned());
    let download = Download {
        family_name,
        url,
        sha256: Sha256([0; 32]),
        size: 1,
    };
    Fetched {
        download,
        bytes: bytes::Bytes::copy_from_slice(bytes),
    }
}

fn app(version: &str, architecture: &str) -> Vec<u8> {
    package("Quay.Log", version, architecture, "")
}

const FAMILY: &str = "Quay.Log_z1enpheh36ccm";
const HOSTED: &str = "<Application PackageUri=\"https://cdn.north.example/p/quay.msix?t=1&amp;u=2\"/>";
const STORE: &str = "<Application id=\"9P4LNTRN7K2M\" flags=\"0\" skuid=\"0010\"/>";
const CONTENT_ID: &str = "5d0c8a41-7be2-4f6e-9b13-c2f08e77a3d6";
const SLOT: &str = "./User/EMAM/AppInstallation/PFN";

fn license(id: &str) -> String {
    let document = format!(
        "<License LicenseID='{id}' xmlns='urn:schemas-microsoft-com:windows:store:licensing:ls'>\
         <Binding><PFM>{}</PFM></Binding></License>",
        FAMILY.to_lowercase()
    );
    format!("<License Content=\"{}\"/>", BASE64_STANDARD.encode(document))
}
