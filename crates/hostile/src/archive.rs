//! Archives written from a description, right or wrong in every field a ZIP archive has.
//!
//! The description is text, so that a fuzzer's dictionary and a person can both work with it:
//!
//! ```text
//! part AppxManifest.xml
//! <Package …
//! open app.msix
//! part AppxManifest.xml
//! <Package …
//! shut
//! part AppxMetadata/AppxBundleManifest.xml
//! … Offset="{offset app.msix}" Size="{size app.msix}" …
//! ```
//!
//! `part NAME` begins an entry of the lines that follow, `packed NAME` one that is compressed. `open NAME` begins an
//! archive within the archive, `shut` ends it. `lie FIELD NUMBER` adds to a field of the entry before: `crc`, `size`,
//! `packed`, `method`, `flags`, `offset`; `end FIELD NUMBER` to one of the end record: `entries`, `size`, `offset`.
//! `{offset NAME}` and `{size NAME}` stand for where the entry of that name, written before, lies, `{length NAME}` and
//! `{hash NAME}` for what it is unpacked.

mod record;
mod sealed;

use record::{Ending, Entry, deflated};
use ring::digest::{SHA256, digest};
use sealed::Alteration;

/// The archive that a description asks for; lines that make no sense are content.
pub(crate) fn build(description: &[u8]) -> Vec<u8> {
    build_as(description, false, None)
}

/// The same with block maps and signatures.
pub(crate) fn build_sealed(description: &[u8]) -> Vec<u8> {
    build_as(description, true, None)
}

/// A small true package with this done to its signature.
pub(crate) fn build_altered(alteration: &[u8]) -> Vec<u8> {
    build_as(PACKAGE.as_bytes(), true, Some(Alteration::read(alteration)))
}

fn build_as(description: &[u8], sealed: bool, alteration: Option<Alteration>) -> Vec<u8> {
    let text = String::from_utf8_lossy(description);
    let mut stack = vec![Archive {
        sealed,
        alteration,
        ..Archive::default()
    }];
    for line in text.split_inclusive('\n') {
        match command(line) {
            Command::Open(name) if stack.len() < MAX_DEPTH => {
                stack.push(Archive {
                    name: name.to_owned(),
                    sealed,
                    ..Archive::default()
                });
            }
            Command::Shut if stack.len() > 1 => shut(&mut stack),
            command => {
                if let Some(archive) = stack.last_mut() {
                    archive.obey(&command, line);
                }
            }
        }
    }
    while stack.len() > 1 {
        shut(&mut stack);
    }
    stack.pop().map(Archive::finish).unwrap_or_default()
}

/// The innermost archive becomes a stored entry of the one around it.
fn shut(stack: &mut Vec<Archive>) {
    let Some(inner) = stack.pop() else { return };
    let name = inner.name.clone();
    let content = inner.finish();
    if let Some(outer) = stack.last_mut() {
        outer.entries.push(Draft {
            name,
            content,
            nested: true,
            ..Draft::default()
        });
    }
}

enum Command<'t> {
    Part(&'t str),
    Packed(&'t str),
    Open(&'t str),
    Shut,
    Lie(&'t str, u32),
    End(&'t str, u32),
    Content,
}

fn command(line: &str) -> Command<'_> {
    let line = line.trim_end();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let amount = || {
        let (field, number) = rest.split_once(' ')?;
        Some((field, number.parse::<i32>().ok()?.cast_unsigned()))
    };
    match (word, amount()) {
        ("part", _) => Command::Part(rest),
        ("packed", _) => Command::Packed(rest),
        ("open", _) => Command::Open(rest),
        ("shut", _) => Command::Shut,
        ("lie", Some((field, by))) => Command::Lie(field, by),
        ("end", Some((field, by))) => Command::End(field, by),
        _ => Command::Content,
    }
}

#[derive(Default)]
struct Archive {
    name: String,
    entries: Vec<Draft>,
    ending: Ending,
    sealed: bool,
    alteration: Option<Alteration>,
}

#[derive(Default)]
struct Draft {
    name: String,
    content: Vec<u8>,
    packed: bool,
    /// An archive of its own.
    nested: bool,
    lies: Vec<(String, u32)>,
}

/// Where an entry was written, and what it is unpacked.
struct Place {
    name: String,
    offset: usize,
    size: usize,
    length: usize,
    hash: Vec<u8>,
}

impl Archive {
    fn obey(&mut self, command: &Command<'_>, line: &str) {
        match *command {
            Command::Part(name) | Command::Packed(name) => self.entries.push(Draft {
                packed: matches!(command, Command::Packed(_)),
                ..Draft::new(name, String::new())
            }),
            Command::Lie(field, by) => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.lies.push((field.to_owned(), by));
                }
            }
            Command::End(field, by) => self.ending.lie(field, by),
            Command::Open(_) | Command::Shut | Command::Content => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.content.extend_from_slice(line.as_bytes());
                }
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.sealed {
            sealed::complete(&mut self.entries);
        }
        let (mut bytes, mut directory, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for draft in self.entries {
            let place = draft.write(&places, &mut bytes, &mut directory);
            places.push(place);
        }
        let mut count = places.len();
        if self.sealed && !places.iter().any(|place| place.name == sealed::SIGNATURE) {
            let (ending, alteration) = (&self.ending, self.alteration.as_ref());
            let signature = sealed::signature(&bytes, &directory, ending, &places, alteration);
            sealed::write(&signature, &mut bytes, &mut directory);
            count += 1;
        }
        let start = bytes.len();
        bytes.extend(&directory);
        self.ending.write(&mut bytes, count, directory.len(), start);
        bytes
    }
}

impl Draft {
    fn new(name: &str, content: String) -> Self {
        Self {
            name: name.to_owned(),
            content: content.into_bytes(),
            ..Self::default()
        }
    }

    fn write(self, places: &[Place], bytes: &mut Vec<u8>, directory: &mut Vec<u8>) -> Place {
        let content = fill_in(self.content, places);
        let stored = if self.packed {
            deflated(&content)
        } else {
            content.clone()
        };
        let mut entry = Entry::new(&self.name, &content, stored.len(), self.packed, bytes.len());
        for (field, by) in &self.lies {
            entry.lie(field, *by);
        }
        entry.write_local(bytes);
        let place = Place {
            name: self.name,
            offset: bytes.len(),
            size: stored.len(),
            length: content.len(),
            hash: digest(&SHA256, &content).as_ref().to_vec(),
        };
        bytes.extend(stored);
        entry.write_central(directory);
        place
    }
}

/// Puts in where the entries before lie.
fn fill_in(content: Vec<u8>, places: &[Place]) -> Vec<u8> {
    let mut text = match String::from_utf8(content) {
        Ok(text) if text.contains('{') => text,
        Ok(text) => return text.into_bytes(),
        Err(other) => return other.into_bytes(),
    };
    for place in places {
        let fields = [
            ("offset", place.offset.to_string()),
            ("size", place.size.to_string()),
            ("length", place.length.to_string()),
            ("hash", sealed::text(&place.hash)),
        ];
        for (field, value) in fields {
            text = text.replace(&format!("{{{field} {}}}", place.name), &value);
        }
    }
    text.into_bytes()
}

/// What signatures are altered of.
const PACKAGE: &str = "part a.txt\nhigh tide\npart AppxManifest.xml\n<Package xmlns=\"urn:m\"><Identity Name=\"Probe.App\" \
                       Publisher=\"CN=P\" Version=\"1.0.0.0\"/><Properties/></Package>\n";
const MAX_DEPTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::{PACKAGE, build, build_altered, build_sealed};
    use qm_package::{Limits, PackageError, Verified, inspect, verify};
    use std::io::Cursor;

    const MANIFEST: &str = "<Package xmlns=\"urn:m\"><Identity Name=\"Probe.App\" Publisher=\"CN=P\" \
                            Version=\"1.0.0.0\" ProcessorArchitecture=\"x64\"/><Properties/></Package>\n";

    fn read(description: &str) -> Result<qm_package::PackageFile, qm_package::PackageError> {
        inspect(Cursor::new(build(description.as_bytes())), &Limits::default())
    }

    #[test]
    fn a_true_description_makes_a_package() {
        for word in ["part", "packed"] {
            let file = read(&format!("{word} AppxManifest.xml\n{MANIFEST}part a.txt\na\n")).unwrap();
            assert_eq!(file.identity.name, "Probe.App");
        }
    }

    #[test]
    fn an_archive_within_the_archive_makes_a_bundle() {
        let bundle = "<Bundle xmlns=\"urn:b\"><Identity Name=\"Probe.App\" Publisher=\"CN=P\" Version=\"2.0.0.0\"/>\
                      <Packages><Package Type=\"application\" Version=\"1.0.0.0\" Architecture=\"x64\" FileName=\"a.msix\" \
                      Offset=\"{offset a.msix}\" Size=\"{size a.msix}\"/></Packages></Bundle>";
        let description = format!(
            "open a.msix\npart AppxManifest.xml\n{MANIFEST}shut\npart AppxMetadata/AppxBundleManifest.xml\n{bundle}"
        );
        assert_eq!(read(&description).unwrap().members.len(), 1);
    }

    #[test]
    fn a_lie_is_found_out() {
        for lie in [
            "lie offset 7",
            "lie method 90",
            "lie flags 1",
            "end entries 1",
            "end size 4",
            "end offset -1",
        ] {
            let description = format!("part AppxManifest.xml\n{MANIFEST}{lie}\n");
            assert!(read(&description).is_err(), "{lie}");
        }
    }

    fn verified(bytes: &[u8]) -> Result<Verified, PackageError> {
        verify(Cursor::new(bytes), &Limits::default())
    }

    #[test]
    fn what_is_sealed_is_accepted_by_the_strict_reader() {
        let packed = PACKAGE.replace("part a", "packed a");
        let bundle = format!(
            "open a.msix\n{PACKAGE}shut\npart AppxMetadata/AppxBundleManifest.xml\n<Bundle xmlns=\"urn:b\"><Identity \
             Name=\"Probe.App\" Publisher=\"CN=P\" Version=\"2.0.0.0\"/><Packages><Package Type=\"application\" \
             Version=\"1.0.0.0\" FileName=\"a.msix\"/></Packages></Bundle>\n"
        );
        let catalogue = format!("{PACKAGE}part AppxMetadata/CodeIntegrity.cat\ncode\n");
        for description in [PACKAGE, &packed, &bundle, &catalogue] {
            let read = verified(&build_sealed(description.as_bytes()));
            assert!(read.is_ok_and(|read| read.signed), "{description}");
        }
    }

    #[test]
    fn what_is_changed_before_signing_is_signed_as_it_is() {
        assert!(verified(&build_altered(&[])).unwrap().signed);
        let changed = |input: &[u8]| verified(&build_altered(input)).unwrap_err().to_string();
        assert!(changed(&[0, 0, 0, 8, 1]).contains("does not belong to this package: the files"));
        assert!(changed(&[1, 1, 0, 4, 200]).contains("cannot be read"));
        assert!(changed(&[2, 0, 6, 0, 1]).contains("forged"));
    }
}
