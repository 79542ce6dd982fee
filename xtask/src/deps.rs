//! The directions between crates: who may use whom.

use crate::shell::cargo;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// For each crate, the crates of this workspace it may use (besides `qm-core`, which everything may).
const ALLOWED: &[(&str, &[&str])] = &[
    ("qm-core", &[]),
    ("qm-syncml", &[]),
    ("qm-enrollment", &[]),
    ("qm-package", &[]),
    ("qm-pki", &[]),
    ("qm-db", &[]),
    ("qm-content", &[]),
    ("qm-store-model", &[]),
    ("qm-store-client", &["qm-store-model"]),
    ("qm-csp", &["qm-syncml"]),
    ("qm-engine", &["qm-syncml", "qm-csp"]),
    (
        "qm-store-sync",
        &[
            "qm-store-client",
            "qm-db",
            "qm-content",
            "qm-package",
            "qm-engine",
        ],
    ),
    (
        "qm-orchestrator",
        &[
            "qm-syncml",
            "qm-enrollment",
            "qm-package",
            "qm-pki",
            "qm-db",
            "qm-content",
            "qm-store-client",
            "qm-csp",
            "qm-engine",
            "qm-store-sync",
        ],
    ),
    (
        "qm-dm-endpoint",
        &["qm-orchestrator", "qm-syncml", "qm-enrollment"],
    ),
    ("qm-admin-api", &["qm-orchestrator"]),
    // The simulators must not share the server's mistakes: codecs only.
    ("qm-device-sim", &["qm-syncml"]),
    ("qm-store-sim", &[]),
    ("qm-test-postgres", &[]),
];

/// Whoever starts or tests the whole may use everything.
const UNLIMITED: &[&str] = &[
    "quartermaster",
    "qm-testkit",
    "qm-tests",
    "qm-hostile",
    "qm-benches",
    "xtask",
];

/// The store client is the affair of `store-sync`; whoever wires the server may configure it.
const ONLY_TESTS: &str = "qm-testkit";

/// Fails with every forbidden edge.
pub fn check() -> Result<()> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        check_package(package, &ours, &mut wrong)?;
    }
    if !wrong.is_empty() {
        bail!(
            "dependencies against the directions of the house (docs/architecture.md):\n{}",
            wrong.join("\n")
        );
    }
    println!("deps: {} crates keep their directions", packages.len());
    Ok(())
}

fn check_package(package: &Value, ours: &BTreeSet<&str>, wrong: &mut Vec<String>) -> Result<()> {
    let name = package["name"].as_str().context("a package without a name")?;
    if UNLIMITED.contains(&name) {
        return Ok(());
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
        wrong.push(format!("  {name}: not in the table of xtask/src/deps.rs"));
        return Ok(());
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let used = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"].as_str() == Some("dev");
        let fine = !ours.contains(used) || used == "qm-core" || allowed.contains(&used) || for_tests;
        if !fine || (used == ONLY_TESTS && !for_tests) {
            wrong.push(format!("  {name} → {used}"));
        }
    }
    Ok(())
}
