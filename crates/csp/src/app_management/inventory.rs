//! The document of `AppInventoryResults`.

use super::Source;
use qm_core::{deployment::Context, device::InstalledApp};
use quick_xml::{
    Reader, XmlVersion, escape,
    events::{BytesStart, Event},
};
use std::{borrow::Cow, collections::HashSet};

/// Why an inventory cannot be believed. It is then unknown, not empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not well-formed.
    #[error("the inventory is no well-formed XML near byte {position}")]
    Malformed {
        /// Where, in bytes from the start of the document.
        position: u64,
    },
    /// Ends inside an element.
    #[error("the inventory ends too early")]
    Truncated,
    /// More than a device can sensibly hold.
    #[error("the inventory has more than {MAX_ROWS} packages or {MAX_DEPTH} levels")]
    TooLarge,
}

/// Reads the answer to [`super::inventory_results`]. Rows are known by their attributes: the names of the elements
/// are unpublished and vary. Frameworks and resource packages are left out; a bundle and its main package
/// are two rows.
pub fn read_inventory(data: &str, context: Context, source: Source) -> Result<Vec<InstalledApp>, ReadError> {
    let document = normalized(data)?;
    let mut elements = Elements::new(&document);
    let (mut apps, mut seen) = (Vec::new(), HashSet::new());
    while let Some(element) = elements.next()? {
        let row = Row::read(&element).ok_or_else(|| elements.malformed())?;
        let Some(app) = row.into_app(context, source) else {
            continue;
        };
        let names = [&app.package_family_name, &app.package_full_name].map(|name| name.to_lowercase());
        if seen.insert(names) {
            apps.push(app);
        }
        if apps.len() > MAX_ROWS {
            return Err(ReadError::TooLarge);
        }
    }
    Ok(apps)
}

/// The start tags of a document that is read to its end.
struct Elements<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// There was an element, or there is nothing at all.
    sound: bool,
}

impl<'a> Elements<'a> {
    fn new(document: &'a str) -> Self {
        Self {
            reader: Reader::from_str(document),
            depth: 0,
            sound: document.is_empty(),
        }
    }

    fn malformed(&self) -> ReadError {
        ReadError::Malformed {
            position: self.reader.buffer_position(),
        }
    }

    fn next(&mut self) -> Result<Option<BytesStart<'a>>, ReadError> {
        loop {
            match self.reader.read_event().map_err(|_| self.malformed())? {
                Event::Start(_) if self.depth >= MAX_DEPTH => return Err(ReadError::TooLarge),
                Event::Start(element) => {
                    self.depth += 1;
                    self.sound = true;
                    return Ok(Some(element));
                }
                Event::Empty(element) => {
                    self.sound = true;
                    return Ok(Some(element));
                }
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::Eof if self.depth > 0 => return Err(ReadError::Truncated),
                Event::Eof if self.sound => return Ok(None),
                Event::Eof => return Err(ReadError::Malformed { position: 0 }),
                _ => {}
            }
        }
    }
}

/// The family name of a package full name: its first and last of five parts.
pub(super) fn family_of(full_name: &str) -> Option<String> {
    let [name, _, _, _, publisher] = full_name_parts(full_name)?;
    Some(format!("{name}_{publisher}"))
}

fn full_name_parts(full_name: &str) -> Option<[&str; 5]> {
    full_name.splitn(6, '_').collect::<Vec<_>>().try_into().ok()
}

/// Some clients hand the document on with one level of escaping left.
fn normalized(data: &str) -> Result<Cow<'_, str>, ReadError> {
    let data = data.trim_start_matches('\u{FEFF}').trim();
    if data.starts_with("&lt;") {
        return escape::unescape(data).map_err(|_| ReadError::Malformed { position: 0 });
    }
    Ok(Cow::Borrowed(data))
}

#[derive(Default)]
struct Row {
    family_name: String,
    full_name: String,
    version: String,
    install_location: Option<String>,
    users: Option<String>,
    resource_id: Option<String>,
    framework: bool,
    provisioned: Option<bool>,
}

impl Row {
    fn read(element: &BytesStart<'_>) -> Option<Self> {
        let mut row = Self::default();
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            row.set(attribute.key.local_name().as_ref(), value.trim());
        }
        Some(row)
    }

    fn set(&mut self, name: &str, value: &str) {
        let some = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "packagefamilyname" => value.clone_into(&mut self.family_name),
            "packagefullname" => value.clone_into(&mut self.full_name),
            "version" => value.clone_into(&mut self.version),
            "installlocation" => self.install_location = some(),
            "users" => self.users = some(),
            "resourceid" => self.resource_id = Some(value.to_owned()),
            "isframework" => self.framework = truth(value) == Some(true),
            "isprovisioned" => self.provisioned = truth(value),
            _ => {}
        }
    }

    /// `None` where it is no row, or no app.
    fn into_app(mut self, context: Context, source: Source) -> Option<InstalledApp> {
        let parts = full_name_parts(&self.full_name);
        if let Some([name, version, _, resource, publisher]) = parts {
            fill(&mut self.family_name, || format!("{name}_{publisher}"));
            fill(&mut self.version, || version.to_owned());
            self.resource_id.get_or_insert_with(|| resource.to_owned());
        }
        let resource = self.resource_id.is_some_and(|id| !id.is_empty() && id != "~");
        (!self.family_name.is_empty() && !self.framework && !resource).then(|| InstalledApp {
            package_family_name: self.family_name,
            package_full_name: self.full_name,
            version: self.version,
            install_location: self.install_location,
            source: Some(source.as_str().to_owned()),
            users: self.users,
            context,
            provisioned: self.provisioned,
        })
    }
}

fn fill(field: &mut String, value: impl FnOnce() -> String) {
    if field.is_empty() {
        *field = value();
    }
}

fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

const MAX_ROWS: usize = 20_000;
const MAX_DEPTH: usize = 32;
