//! `cargo xtask …`: what continuous integration runs is what a laptop runs.
//!
//! - `test`: every test, with the services they need started for them.
//! - `deps`: the directions between crates.
//! - `openapi`: writes `schemas/openapi.json`; `openapi --check` fails where it differs from the code.
//! - `named-tests`: the tests that documents name exist.
//! - `fuzz [NAME…] [--seconds N]`: fuzz targets, each for so long (60 seconds where nothing is said).
//!   `fuzz --replay NAME FILE` runs one input.
//! - `bench [NAME…]`: what the server costs, against floors and peers, in a release build. `bench --help` says more.
//! - `ci`: formatting, clippy, `deps`, `named-tests`, `openapi --check`, `test`, `fuzz` for a short time, then a release
//!   build with a real demo.
#![expect(
    clippy::print_stdout,
    reason = "a command-line program speaks through its output"
)]

mod deps;
mod fuzz;
mod named_tests;
mod shell;
mod test;

use anyhow::{Context as _, Result, bail};
use shell::{cargo, run};
use std::{path::PathBuf, process::Command};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => test::run_all(rest),
        ["deps"] => deps::check(),
        ["bench", rest @ ..] => bench(rest),
        ["named-tests"] => named_tests::check(),
        ["openapi"] => openapi(false),
        ["openapi", "--check"] => openapi(true),
        ["fuzz", "--replay", target, file] => fuzz::replay(target, file),
        ["fuzz", rest @ ..] => fuzz::from_arguments(rest),
        ["ci"] => ci(),
        _ => bail!(
            "usage: cargo xtask test [TEST ARGUMENTS] | deps | named-tests | openapi [--check] | fuzz [NAME…] [--seconds N] | \
             bench [NAME…] | ci"
        ),
    }
}

/// Everything that must hold before a change lands.
fn ci() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"])).context("formatting: run `cargo fmt --all`")?;
    deps::check()?;
    named_tests::check()?;
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    openapi(true)?;
    test::run_all(&[])?;
    fuzz::run_in_ci()?;
    run(cargo().args(["build", "--release", "--locked"]))?;
    run(cargo().args(["run", "--release", "--locked", "--", "demo"])).context("the demo")?;
    println!("everything holds");
    Ok(())
}

/// Builds the programs as users get them and lets the benchmarks run them.
fn bench(arguments: &[&str]) -> Result<()> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "quartermaster",
        "--package",
        "qm-benches",
    ];
    run(cargo().args(build))?;
    // Not by `cargo run`, which would build once more with the features of this one package.
    let target =
        shell::variable("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    run(Command::new(target.join("release/bench")).args(arguments))
}

/// Compares or rewrites the committed OpenAPI document.
fn openapi(check: bool) -> Result<()> {
    let path = shell::root().join("schemas/openapi.json");
    let output = cargo()
        .args(["run", "--quiet", "--locked", "--", "openapi"])
        .output()?;
    if !output.status.success() {
        bail!(
            "`quartermaster openapi` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    if !check {
        return std::fs::write(&path, &output.stdout).context("schemas/openapi.json");
    }
    let committed = std::fs::read(&path).context("schemas/openapi.json")?;
    if committed != output.stdout {
        bail!(
            "schemas/openapi.json is not what the code says: run `cargo xtask openapi` and commit the result"
        );
    }
    println!("openapi: schemas/openapi.json matches the code");
    Ok(())
}
