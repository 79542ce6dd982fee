//! The tests that documents name: each must exist.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where promises are tied to tests: a document, and the heading under which it names them.
const DOCUMENTS: [(&str, &str); 2] = [
    ("SECURITY.md", "## Who may do what, and which test shows it"),
    ("docs/architecture.md", "## Invariants and their tests"),
];

/// Fails with every name that no test has.
pub fn check() -> Result<()> {
    let (root, mut missing, mut named) = (shell::root(), Vec::new(), 0);
    let tests = existing(&root)?;
    for (document, heading) in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).context(document)?;
        for name in names(under(&text, heading)) {
            named += 1;
            if !tests.contains(name) {
                missing.push(format!("  {document}: `{name}`"));
            }
        }
    }
    if named == 0 {
        bail!("no document names a test: have headings changed?");
    }
    if !missing.is_empty() {
        bail!("documents name tests that do not exist:\n{}", missing.join("\n"));
    }
    println!("named tests: {named} names, each a test");
    Ok(())
}

/// The part of a document from a heading to the next one of the same level.
fn under<'t>(text: &'t str, heading: &str) -> &'t str {
    let Some((_, rest)) = text.split_once(heading) else {
        return "";
    };
    rest.split_once("\n## ").map_or(rest, |(part, _)| part)
}

/// Words in backticks that are sentences.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| is_sentence(word))
}

/// Three words or more, as our tests are named; settings and fields have fewer.
fn is_sentence(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(plain) && word.split('_').filter(|part| !part.is_empty()).count() >= 3
}

fn existing(root: &Path) -> Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    for folder in ["crates", "tests", "xtask"] {
        for file in sources(&root.join(folder))? {
            collect(&fs::read_to_string(&file)?, &mut tests);
        }
    }
    Ok(tests)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Functions below a test attribute.
fn collect(source: &str, tests: &mut BTreeSet<String>) {
    let mut attribute = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            attribute = true;
        } else if let Some((_, after)) = line.split_once("fn ").filter(|_| attribute) {
            let end = after.find(['(', '<']).unwrap_or(after.len());
            tests.insert(after[..end].to_owned());
            attribute = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_test_exists() {
        check().unwrap();
    }

    #[test]
    fn sentences_are_told_from_settings_and_tests_from_functions() {
        let text =
            "## A\n`not_this`\n## B\n`one_named_test`, `limits.a_b_c`, `idle_seconds`\n## C\n`nor_this_one`";
        assert_eq!(names(under(text, "## B")).collect::<Vec<_>>(), ["one_named_test"]);
        let mut tests = BTreeSet::new();
        let source = "fn helper() {}\n#[test]\nfn a() {}\n#[tokio::test(start_paused = true)]\nasync fn b() {}\nfn c() {}";
        collect(source, &mut tests);
        assert_eq!(tests, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    }
}
