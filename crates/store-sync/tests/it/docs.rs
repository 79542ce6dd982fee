//! `docs/store-cases.md` names tests and faults; this keeps it from naming what is not there.

use qm_store_sim::fault;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows: what is in the second column and in the third, without the head.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/store-cases.md")).unwrap();
    let table = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    table
        .map(|line| {
            let cells: Vec<_> = line.split('|').collect();
            (cells[2].to_owned(), cells[3].to_owned())
        })
        .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let mut known = BTreeSet::new();
    for part in [
        "store-client",
        "store-model",
        "store-sim",
        "store-sync",
        "orchestrator",
    ] {
        functions(&root().join("crates").join(part), &mut known);
    }
    let rows = rows();
    let named: Vec<_> = rows.iter().flat_map(|(_, tests)| quoted(tests)).collect();
    assert!(named.len() > 50, "{}", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !known.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_fault_that_the_table_names_is_there_and_every_fault_is_in_the_table() {
    let rows = rows();
    let named: BTreeSet<_> = rows
        .iter()
        .flat_map(|(faults, _)| quoted(faults))
        .filter(|name| {
            name.chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
                && !name.starts_with('-')
        })
        .filter(|name| !NOT_FAULTS.contains(name))
        .collect();
    let known: BTreeSet<_> = fault::names().filter(|name| *name != "slow").collect();
    assert_eq!(named, known);
}

/// Words of one part in the second column that are something else.
const NOT_FAULTS: [&str; 7] = ["products", "users", "after", "always", "at", "https", "on"];
