//! The files beside the database: where they come from, and where a restored installation has them.

use crate::config::Config;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The configuration's place in an installation.
pub(super) const CONFIGURATION: &str = "quartermaster.toml";
/// The root that `init` puts beside its certificate; devices without a public certificate trust it.
const ROOT: &str = "tls/root.pem";

/// A file that a setting names.
pub(super) struct Place {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// Where a restored installation has it.
    pub(super) path: &'static str,
}

/// Every setting that names a file.
pub(super) const PLACES: [Place; 6] = [
    place("keys", "device_ca", "keys/device-ca.pem"),
    place("keys", "device_ca_key", "keys/device-ca.key"),
    place("keys", "links", "keys/links.key"),
    place("tls", "certificate", "tls/server.pem"),
    place("tls", "key", "tls/server.key"),
    place("store", "client_secret_file", "keys/store-secret"),
];

const fn place(section: &'static str, key: &'static str, path: &'static str) -> Place {
    Place { section, key, path }
}

/// The entry of a file.
pub(super) fn entry(path: &str) -> String {
    format!("files/{path}")
}

/// The files of an installation, each with its place in a restored one.
pub(super) fn of(config: &Config, file: &Path) -> Vec<(&'static str, PathBuf)> {
    let (keys, tls) = (&config.keys, &config.tls);
    let secret = config
        .store
        .as_ref()
        .and_then(|store| store.client_secret_file.as_ref());
    let sources = [
        Some(&keys.device_ca),
        Some(&keys.device_ca_key),
        Some(&keys.links),
        Some(&tls.certificate),
        Some(&tls.key),
        secret,
    ];
    let mut found = vec![(CONFIGURATION, file.to_path_buf())];
    for (place, source) in PLACES.iter().zip(sources) {
        found.extend(source.map(|source| (place.path, config.path(source))));
    }
    let root = config.path(&tls.certificate).with_file_name("root.pem");
    if root.is_file() {
        found.push((ROOT, root));
    }
    found
}

/// Every place where a restored installation may have a file, the configuration last: it makes an installation.
pub(super) fn places() -> impl Iterator<Item = &'static str> {
    PLACES.iter().map(|place| place.path).chain([ROOT])
}

/// The configuration of a restored installation: as it was, but for files that were elsewhere and the database's address.
pub(super) fn moved(text: &str, database_url: Option<&str>) -> Result<String> {
    let mut table: toml::Table = text
        .parse()
        .context("the configuration in the backup cannot be read")?;
    let before = table.clone();
    for place in &PLACES {
        if let Some(value) = table
            .get_mut(place.section)
            .and_then(|section| section.get_mut(place.key))
        {
            *value = place.path.into();
        }
    }
    let url = table
        .get_mut("database")
        .and_then(|section| section.get_mut("url"));
    if let Some(url) = url {
        let embedded = url.as_str().is_some_and(|url| url.starts_with("sqlite:"));
        if let Some(wanted) = database_url {
            *url = wanted.into();
        } else if embedded {
            *url = "sqlite:quartermaster.db".into();
        }
    }
    // Comments are worth keeping where nothing has to change.
    if table == before {
        return Ok(text.to_owned());
    }
    Ok(toml::to_string(&table)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str =
        "# ours\n[database]\nurl = \"sqlite:quartermaster.db\"\n[tls]\ncertificate = \"tls/server.pem\"\n";

    #[test]
    fn a_configuration_that_fits_keeps_its_comments() {
        assert_eq!(moved(USUAL, None).unwrap(), USUAL);
    }

    #[test]
    fn files_that_were_elsewhere_and_another_database_are_written_into_it() {
        let text = "[database]\nurl = \"sqlite:/srv/q.db\"\n[tls]\ncertificate = \"/etc/ssl/q.pem\"\n[content]\nurl = \"file:/srv/c\"";
        let moved_text = moved(text, None).unwrap();
        for line in [
            "url = \"sqlite:quartermaster.db\"",
            "certificate = \"tls/server.pem\"",
            "url = \"file:/srv/c\"",
        ] {
            assert!(moved_text.contains(line), "{moved_text}");
        }
        let converted = moved(USUAL, Some("postgres://h/n")).unwrap();
        assert!(converted.contains("url = \"postgres://h/n\""), "{converted}");
    }
}
