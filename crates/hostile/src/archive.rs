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
//! `{offset NAME}` and `{size NAME}` stand for where the entry of that name, written before, lies.

mod record;

use record::{Ending, Entry, deflated};

/// The archive that a description asks for; lines that make no sense are content.
pub(crate) fn build(description: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(description);
    let mut stack = vec![Archive::default()];
    for line in text.split_inclusive('\n') {
        match command(line) {
            Command::Open(name) if stack.len() < MAX_DEPTH => {
                stack.push(Archive {
                    name: name.to_owned(),
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
            packed: false,
            lies: Vec::new(),
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
}

struct Draft {
    name: String,
    content: Vec<u8>,
    packed: bool,
    lies: Vec<(String, u32)>,
}

impl Archive {
    fn obey(&mut self, command: &Command<'_>, line: &str) {
        match *command {
            Command::Part(name) | Command::Packed(name) => self.entries.push(Draft {
                name: name.to_owned(),
                content: Vec::new(),
                packed: matches!(command, Command::Packed(_)),
                lies: Vec::new(),
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

    fn finish(self) -> Vec<u8> {
        let (mut bytes, mut directory, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let count = self.entries.len();
        for draft in self.entries {
            let content = fill_in(draft.content, &places);
            let stored = if draft.packed {
                deflated(&content)
            } else {
                content.clone()
            };
            let mut entry = Entry::new(&draft.name, &content, stored.len(), draft.packed, bytes.len());
            for (field, by) in &draft.lies {
                entry.lie(field, *by);
            }
            entry.write_local(&mut bytes);
            places.push((draft.name, bytes.len(), stored.len()));
            bytes.extend(stored);
            entry.write_central(&mut directory);
        }
        let start = bytes.len();
        bytes.extend(&directory);
        self.ending.write(&mut bytes, count, directory.len(), start);
        bytes
    }
}

/// Puts in where the entries before lie.
fn fill_in(content: Vec<u8>, places: &[(String, usize, usize)]) -> Vec<u8> {
    let mut text = match String::from_utf8(content) {
        Ok(text) => text,
        Err(other) => return other.into_bytes(),
    };
    for (name, offset, size) in places {
        text = text.replace(&format!("{{offset {name}}}"), &offset.to_string());
        text = text.replace(&format!("{{size {name}}}"), &size.to_string());
    }
    text.into_bytes()
}

const MAX_DEPTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::build;
    use qm_package::{Limits, inspect};
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
}
