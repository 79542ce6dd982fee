//! Get product details, plain and localized.

use super::{Context, key_json, known};
use crate::{
    catalogue::{Image, Product, Texts},
    config::MissingLanguage,
    refusal::{Item, Refusal},
    world::World,
};
use qm_core::Version;
use serde_json::{Value, json};

pub(super) fn details(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let product = &known(world, &key, Item::Unnamed)?.product;
    let mut answer = json!({
        "productKey": key_json(&product.key),
        "productType": product.product_type,
        "applicationType": "Store",
        "supportedLanguages": product.texts.keys().collect::<Vec<_>>(),
        "publisherId": product.publisher_id,
        "category": product.category,
        "alternateIds": pairs(&product.alternate_ids),
        "supportedPlatforms": supported_platforms(product),
    });
    if let Some(family_name) = &product.family_name {
        answer["packageFamilyName"] = json!(family_name);
    }
    Ok(answer)
}

pub(super) fn localized(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let wanted = context.call.language()?;
    let product = &known(world, &key, Item::Product)?.product;
    let fallback = world.config.missing_language == MissingLanguage::Fallback;
    let (language, texts) =
        texts(product, &wanted, fallback).ok_or(Refusal::NotFound(Item::Language, wanted))?;
    let images = product.images.iter().enumerate();
    let images: Vec<_> = images
        .map(|(index, image)| image_json(&world.content_url, product, index, image))
        .collect();
    Ok(json!({
        "language": language,
        "displayName": texts.name,
        "description": texts.description,
        "images": images,
        "publisher": {
            "publisherName": product.publisher_name,
            "publisherWebsite": product.publisher_website,
        },
    }))
}

/// The texts in the language wanted, else in one with the same primary language, else in the first.
fn texts<'a>(product: &'a Product, wanted: &str, fallback: bool) -> Option<(&'a String, &'a Texts)> {
    let exact = product.texts.get_key_value(wanted);
    if exact.is_some() || !fallback {
        return exact;
    }
    let primary = |tag: &str| tag.split('-').next().map(str::to_owned);
    let related = product
        .texts
        .iter()
        .find(|(language, _)| primary(language) == primary(wanted));
    let english = || product.texts.get_key_value("en-us");
    related
        .or_else(english)
        .or_else(|| product.texts.first_key_value())
}

fn image_json(content_url: &str, product: &Product, index: usize, image: &Image) -> Value {
    let key = &product.key;
    let file = format!("{}-{}-{index}.png", key.product_id, key.sku_id);
    json!({
        "location": format!("{content_url}/i/{file}"),
        "purpose": image.purpose,
        "height": image.edge.to_string(),
        "width": image.edge.to_string(),
        "caption": "",
        "backgroundColor": "#FFFFFF",
        "foregroundColor": "#202020",
        "fileSize": image.content.len(),
    })
}

fn supported_platforms(product: &Product) -> Vec<Value> {
    let Some(package) = product.packages.first() else {
        return Vec::new();
    };
    let mut platforms = platforms(&package.file.families);
    for platform in &mut platforms {
        platform["architectures"] = json!(package.file.architectures);
    }
    platforms
}

/// Device families as the service writes them.
pub(super) fn platforms(families: &[(String, Version)]) -> Vec<Value> {
    let newest = version_json(crate::appx::MAX_TESTED);
    families
        .iter()
        .map(|(name, min_version)| {
            json!({
                "platformName": name,
                "minVersion": version_json(*min_version),
                "maxTestedVersion": newest,
            })
        })
        .collect()
}

/// A version in its four parts.
pub(super) fn version_json(Version([major, minor, build, revision]): Version) -> Value {
    json!({ "major": major, "minor": minor, "build": build, "revision": revision })
}

fn pairs(ids: &[(String, String)]) -> Vec<Value> {
    ids.iter()
        .map(|(kind, value)| json!({ "type": kind, "value": value }))
        .collect()
}
