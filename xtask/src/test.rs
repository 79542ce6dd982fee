//! Every test, with the services they need.

use crate::shell::{cargo, exists, in_ci, run, variable};
use anyhow::{Result, bail};
use qm_test_postgres::Cluster;

/// Runs the tests of the whole workspace; `arguments` go to the test runner.
pub fn run_all(arguments: &[&str]) -> Result<()> {
    let mut left_out = Vec::new();
    let cluster = postgres(&mut left_out)?;
    check_wbxml_tools(&mut left_out);
    if in_ci() && !left_out.is_empty() {
        bail!("in CI nothing may be left out, but:\n{}", left_out.join("\n"));
    }
    let mut command = cargo();
    if exists("cargo-nextest", "--version") {
        command.args(["nextest", "run", "--workspace", "--locked"]);
    } else {
        command.args(["test", "--workspace", "--locked", "--all-targets"]);
    }
    if let Some(cluster) = &cluster {
        command.env("QUARTERMASTER_TEST_POSTGRES", cluster.url());
    }
    let result = run(command.args(arguments));
    for note in &left_out {
        println!("left out: {note}");
    }
    result
}

/// The server that the environment names, else a throw-away one.
fn postgres(left_out: &mut Vec<String>) -> Result<Option<Cluster>> {
    if variable("QUARTERMASTER_TEST_POSTGRES").is_some() {
        if Cluster::find_binaries().is_none() {
            left_out.push(
                "tests that stop a PostgreSQL server of their own: install PostgreSQL's server".to_owned(),
            );
        }
        return Ok(None);
    }
    let Some(binaries) = Cluster::find_binaries() else {
        left_out.push(
            "the PostgreSQL half of the database tests: install PostgreSQL's server (Debian: postgresql) or set \
             QUARTERMASTER_TEST_POSTGRES to a server's URL"
                .to_owned(),
        );
        return Ok(None);
    };
    Cluster::start(&binaries).map(Some)
}

fn check_wbxml_tools(left_out: &mut Vec<String>) {
    if !exists("xml2wbxml", "--help") || !exists("wbxml2xml", "--help") {
        left_out.push("the comparison with libwbxml: install its tools (Debian: libwbxml2-utils)".to_owned());
    }
}
