//! The committed seeds under every check, and the fuzz targets as the checks want them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test and name the seed that did"
)]

use qm_hostile::{CHECKS, Check};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("seeds").join(name);
    let read = |file: String| {
        let bytes = fs::read(folder.join(&file)).unwrap();
        (file, bytes)
    };
    names(&folder).into_iter().map(read).collect()
}

/// The seeds whole, and cut off at every place that a short one has.
fn replay(name: &str, check: Check) {
    for (file, bytes) in seeds(name) {
        println!("{name}/{file}");
        check(&bytes);
        let step = (bytes.len() / 64).max(1);
        for end in (0..bytes.len()).step_by(step) {
            check(&bytes[..end]);
        }
    }
}

#[test]
fn every_check_holds_for_its_seeds() {
    for (name, check) in CHECKS {
        replay(name, *check);
    }
}

#[test]
fn every_check_is_a_fuzz_target_with_options_and_seeds() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut expected = BTreeSet::new();
    for (name, _) in CHECKS {
        let target = fuzz().join(format!("fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(target).unwrap();
        assert!(source.contains(&format!("qm_hostile::{name}(")), "{source}");
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is no [[bin]]"
        );
        assert!(seeds(name).len() > 1, "{name} has no seeds");
        expected.extend([format!("{name}.rs"), format!("{name}.options")]);
    }
    assert_eq!(names(&fuzz().join("fuzz_targets")), expected);
}

#[test]
fn seeds_are_small() {
    for (name, _) in CHECKS {
        for (file, bytes) in seeds(name) {
            assert!(
                bytes.len() <= 16 * 1024,
                "{name}/{file} has {} bytes",
                bytes.len()
            );
        }
    }
}
