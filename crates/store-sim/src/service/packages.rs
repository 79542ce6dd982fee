//! Get product packages, get product package, get offline license.

use super::{
    Context, key_json, owned,
    products::{platforms, version_json},
};
use crate::{
    catalogue::{LicenseType, PackageEntry, PackageFile, Product, ProductKey},
    fault::{Fault, Struck},
    journal::ViolationKind,
    refusal::{Item, Reason, Refusal},
    world::{Entry, World},
    xml::Node,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(super) fn set(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let product = owned(world, &key, Item::Unnamed)?.product.clone();
    let packages = product.packages.iter();
    let packages: Vec<_> = packages
        .map(|package| package_json(world, package, context.struck))
        .collect();
    Ok(json!({ "packageSetId": product.package_set_id(), "productPackages": packages }))
}

pub(super) fn one(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let id = context.call.package_id()?;
    let packages = &owned(world, &key, Item::Product)?.product.packages;
    let found = packages.iter().find(|package| package.file.id == id).cloned();
    // An old id is a bad parameter, as far as the documentation goes: 404 is for the product.
    let package = found.ok_or_else(|| Refusal::invalid("packageId", id))?;
    Ok(package_json(world, &package, context.struck))
}

pub(super) fn license(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let content_id = context.call.content_id()?;
    let product = licensable(world, &key)?.product.clone();
    let is = |file: &PackageFile| file.content_id == content_id;
    if !product.packages.iter().any(|package| is(&package.file)) {
        if product
            .packages
            .iter()
            .flat_map(|package| &package.frameworks)
            .any(is)
        {
            world
                .journal
                .violation(context.number, ViolationKind::LicenseForFramework);
        }
        return Err(Refusal::NotFound(Item::Unnamed, content_id.to_string()));
    }
    let instance = world.license_instance(&key, content_id);
    let document = license_document(&product, content_id, instance, world.requestor_id);
    let mut blob = STANDARD.encode(document);
    if context.struck.has(&Fault::LicenseLineBreaks) {
        blob = broken(&blob);
    }
    Ok(json!({
        "productKey": key_json(&product.key),
        "licenseBlob": blob,
        "licenseInstanceId": instance,
        "requestorId": world.requestor_id,
        "contentId": content_id,
    }))
}

fn licensable<'a>(world: &'a World, key: &ProductKey) -> Result<&'a Entry, Refusal> {
    let entry = owned(world, key, Item::Unnamed)?;
    if entry.product.license_type == LicenseType::Offline {
        Ok(entry)
    } else if world.config.online_license_is_not_found {
        Err(Refusal::NotFound(Item::Unnamed, key.to_string()))
    } else {
        Err(Refusal::Conflict(Reason::OnlineLicensed, key.to_string()))
    }
}

/// A license in the form of real ones; the signed block is invented.
fn license_document(product: &Product, content_id: Uuid, instance: Uuid, requestor_id: Uuid) -> Vec<u8> {
    let family = product.family_name.clone().unwrap_or_default().to_lowercase();
    let block = Sha256::digest([*content_id.as_bytes(), *instance.as_bytes()].concat());
    let binding = Node::new("Binding")
        .attribute("Binding_Type", "Machine")
        .child(Node::new("ProductID").text(&product.key.product_id))
        .child(Node::new("PFM").text(family))
        .child(Node::new("LicenseInstanceID").text(instance))
        .child(Node::new("RequestorID").text(requestor_id));
    let info = Node::new("LicenseInfo")
        .attribute("Type", "Full")
        .attribute("LicenseUsage", "Offline")
        .attribute("LicenseCategory", "Retail");
    Node::new("License")
        .attribute("xmlns", "urn:schemas-microsoft-com:windows:store:licensing:ls")
        .attribute("Version", "3")
        .attribute("LicenseID", content_id)
        .attribute("ContentID", content_id)
        .child(binding)
        .child(info)
        .child(Node::new("SPLicenseBlock").text(STANDARD.encode(block)))
        .document()
}

/// Lines of 76 characters, as MIME has them.
fn broken(blob: &str) -> String {
    let mut lines = String::new();
    for (index, letter) in blob.chars().enumerate() {
        if index > 0 && index % 76 == 0 {
            lines.push_str("\r\n");
        }
        lines.push(letter);
    }
    lines
}

fn package_json(world: &mut World, package: &PackageEntry, struck: &Struck) -> Value {
    let frameworks = package.frameworks.iter();
    let frameworks: Vec<_> = frameworks
        .map(|framework| file_json(world, framework, struck))
        .collect();
    let mut answer = file_json(world, &package.file, struck);
    answer["frameworkDependencyPackages"] = json!(frameworks);
    answer
}

fn file_json(world: &mut World, file: &PackageFile, struck: &Struck) -> Value {
    let (mut size, mut hash) = (file.content.len(), file.hash.clone());
    if struck.has(&Fault::WrongSize) {
        size += 1;
    }
    if struck.has(&Fault::WrongHash) {
        hash = STANDARD.encode(Sha256::digest(&hash));
    }
    json!({
        "packageId": file.id,
        "contentId": file.content_id,
        "location": location(world, file, struck),
        "packageFullName": file.full_name,
        "packageIdentityName": file.identity_name,
        "architectures": file.architectures,
        "packageFormat": file.format,
        "platforms": platforms(&file.families),
        "fileSize": size,
        "packageRank": file.rank,
        "version": version_json(file.version),
        "fileHash": hash,
        "fileHashAlgorithm": "SHA256",
    })
}

fn location(world: &mut World, file: &PackageFile, struck: &Struck) -> Value {
    if !file.downloadable || struck.has(&Fault::NoAddresses) {
        return Value::Null;
    }
    let shortened = struck.find(|fault| match fault {
        Fault::AddressesLast(lifetime) => Some(*lifetime),
        _ => None,
    });
    let lifetime = shortened.unwrap_or(world.config.address_lifetime);
    let now = world.now();
    let signature = world.addresses.issue(file, now, lifetime, &world.config.rng);
    let expires = (now + lifetime).as_secs();
    json!({ "url": file_url(&world.content_url, &file.id, expires, &signature) })
}

/// The address of a file at the content host.
fn file_url(content_url: &str, id: &str, expires: i64, signature: &str) -> String {
    format!("{content_url}/f/{id}?exp={expires}&sig={signature}")
}
