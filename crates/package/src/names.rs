//! Names of entries: OPC part names that Windows can create as files, compared as Windows compares files.

use crate::identity::is_dos_device;
use percent_encoding::percent_decode_str;
use qm_core::text_enum;

text_enum! {
    /// What is wrong with the name of an entry.
    pub enum NameFault {
        /// Nothing in it, or nothing between two slashes.
        Empty = "has an empty part in its name",
        /// Not UTF-8, as it stands or once its escapes are resolved.
        Encoding = "has a name that is no UTF-8 text",
        /// A percent sign without two hexadecimal digits.
        Escape = "has a percent sign in its name that begins no escape",
        /// Begins with a slash.
        Absolute = "has a name that begins at the root of a disk",
        /// `.` or `..` as a part.
        Traversal = "has a name that leads out of its folder",
        /// Ends with a slash.
        Folder = "is a folder of its own, which packages do not have",
        /// A separator, a colon (of a drive or stream), a wildcard or control character.
        Character = "has a character in its name that files on Windows cannot have",
        /// `CON`, `LPT1` and the like.
        Device = "has the name of a device",
        /// A part that ends with a dot or space, which Windows drops.
        Ending = "has a part in its name that ends with a dot or a space",
        /// More than [`MAX_NAME`] bytes.
        Length = "has a name longer than 1024 bytes",
    }
}

/// The name in the form in which two equal names are equal: escapes resolved, lower case.
pub(crate) fn part_key(name: &str) -> Result<String, NameFault> {
    if name.len() > MAX_NAME {
        return Err(NameFault::Length);
    }
    if name.starts_with(['/', '\\']) {
        return Err(NameFault::Absolute);
    }
    if name.len() > 1 && name.ends_with('/') {
        return Err(NameFault::Folder);
    }
    let segments: Vec<_> = name.split('/').map(segment).collect::<Result<_, _>>()?;
    Ok(segments.join("/"))
}

/// The key of a name from a manifest or block map: nothing is escaped there, and folders are set off by `\`.
pub(crate) fn file_key(name: &str) -> String {
    name.replace('\\', "/").to_lowercase()
}

fn segment(escaped: &str) -> Result<String, NameFault> {
    let text = unescape(escaped)?;
    if text.is_empty() {
        Err(NameFault::Empty)
    } else if text == "." || text == ".." {
        Err(NameFault::Traversal)
    } else if text.chars().any(|c| c.is_control() || FORBIDDEN.contains(&c)) {
        Err(NameFault::Character)
    } else if text.ends_with(['.', ' ']) {
        Err(NameFault::Ending)
    } else if is_dos_device(&text) {
        Err(NameFault::Device)
    } else {
        Ok(text.to_lowercase())
    }
}

fn unescape(escaped: &str) -> Result<String, NameFault> {
    let is_escape =
        |after: &str| after.len() > 1 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !escaped.split('%').skip(1).all(is_escape) {
        return Err(NameFault::Escape);
    }
    let text = percent_decode_str(escaped).decode_utf8();
    text.map(Into::into).map_err(|_| NameFault::Encoding)
}

const FORBIDDEN: &[char] = &['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
/// In bytes; Windows takes far less for a file inside a package.
const MAX_NAME: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_windows_compares_files() {
        for (name, key) in [
            ("AppxManifest.xml", "appxmanifest.xml"),
            ("VFS/Notepad%2B%2B/100%25.txt", "vfs/notepad++/100%.txt"),
            ("%E0%A4%AE/a b.png", "म/a b.png"),
            ("ÄÄ.txt", "ää.txt"),
            ("[Content_Types].xml", "[content_types].xml"),
            ("a/..b/c..d", "a/..b/c..d"),
            ("console/com10.dll", "console/com10.dll"),
        ] {
            assert_eq!(part_key(name).as_deref(), Ok(key));
        }
        assert_eq!(file_key(r"VFS\Notepad++\100%.txt"), "vfs/notepad++/100%.txt");
    }

    #[test]
    fn names_that_play_tricks_are_refused() {
        let long = "n".repeat(MAX_NAME + 1);
        for (name, fault) in [
            ("", NameFault::Empty),
            ("a//b", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            (r"\windows\a", NameFault::Absolute),
            ("C:/a.dll", NameFault::Character),
            ("a.txt:stream", NameFault::Character),
            (r"a\b", NameFault::Character),
            ("a%5Cb", NameFault::Character),
            ("a%2fb", NameFault::Character),
            ("a\0b", NameFault::Character),
            ("a%00.txt", NameFault::Character),
            ("what?.txt", NameFault::Character),
            ("../a", NameFault::Traversal),
            ("a/../b", NameFault::Traversal),
            ("a/%2e%2E/b", NameFault::Traversal),
            ("./a", NameFault::Traversal),
            ("folder/", NameFault::Folder),
            ("100%.txt", NameFault::Escape),
            ("a%zz", NameFault::Escape),
            ("a%+1", NameFault::Escape),
            ("%ff", NameFault::Encoding),
            ("a./b", NameFault::Ending),
            ("a /b", NameFault::Ending),
            ("con", NameFault::Device),
            ("a/Aux.txt", NameFault::Device),
            ("lpt1.tar.gz", NameFault::Device),
            (&long, NameFault::Length),
        ] {
            assert_eq!(part_key(name), Err(fault), "{name:?}");
        }
    }
}
