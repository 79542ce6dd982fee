//! Fuzz targets, built with the stable compiler and run for a bounded time.
//!
//! libFuzzer only needs to be told which edges and comparisons ran; LLVM's coverage pass does that without a nightly
//! compiler. The sanitizers, which do need one, would add little to code without `unsafe`.

use crate::shell::{cargo, exists, in_ci, root, run, variable};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

/// What `cargo xtask ci` spends on each target.
pub const SECONDS_IN_CI: u32 = 8;

/// `[NAME…] [--seconds N]`: builds the targets and runs those that are named, or all.
pub fn from_arguments(arguments: &[&str]) -> Result<()> {
    let mut seconds = 60;
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if *argument == "--seconds" {
            let number = rest.next().context("--seconds needs a number")?;
            seconds = number.parse().context("--seconds needs a number")?;
        } else {
            names.push(*argument);
        }
    }
    let targets = select(&names)?;
    run_all(&targets, seconds)
}

/// Runs one input once, and shows what it does.
pub fn replay(target: &str, file: &str) -> Result<()> {
    let file = fs::canonicalize(file).with_context(|| file.to_owned())?;
    let targets = select(&[target])?;
    run(Command::new(build(&targets)?.join(target)).args(BOUNDS).arg(file))
}

/// Every target for a short time. A machine that cannot build them is told so; CI may not be one.
pub fn run_in_ci() -> Result<()> {
    if let Some(note) = missing() {
        if in_ci() {
            bail!("in CI nothing may be left out, but: {note}");
        }
        println!("left out: {note}");
        return Ok(());
    }
    run_all(&select(&[])?, SECONDS_IN_CI)
}

/// Why the targets cannot be built on this machine, if they cannot.
fn missing() -> Option<String> {
    let compiler = variable("CXX").unwrap_or_else(|| "c++".to_owned());
    let found = exists(&compiler, "--version");
    (!found).then(|| {
        format!(
            "fuzzing: libFuzzer is C++ and `{compiler}` is not there; install a C++ compiler (Debian: g++). The seeds are \
             still checked by `cargo xtask test`"
        )
    })
}

/// The named targets, or all; a name that is none is an error that lists them.
fn select(names: &[&str]) -> Result<Vec<String>> {
    let all = targets()?;
    if names.is_empty() {
        return Ok(all);
    }
    let unknown = names.iter().find(|name| !all.iter().any(|known| known == *name));
    if let Some(unknown) = unknown {
        bail!(
            "there is no fuzz target `{unknown}`; there are: {}",
            all.join(", ")
        );
    }
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}

fn targets() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder().join("fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn run_all(targets: &[String], seconds: u32) -> Result<()> {
    if let Some(note) = missing() {
        bail!("{note}");
    }
    let programs = build(targets)?;
    let waiting = Mutex::new(targets.iter());
    let failed = Mutex::new(Vec::new());
    let worker = || {
        while let Some(target) = next(&waiting) {
            if let Err(error) = fuzz(&programs, target, seconds) {
                println!("{error:#}");
                held(&failed).push(target.as_str());
            }
        }
    };
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(targets.len());
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(worker))));
    let failed = held(&failed);
    if !failed.is_empty() {
        bail!("found something: {}", failed.join(", "));
    }
    Ok(())
}

fn next<'t>(waiting: &Mutex<slice::Iter<'t, String>>) -> Option<&'t String> {
    held(waiting).next()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the targets and gives the folder of their programs. `--target` keeps the flags away from build scripts.
fn build(targets: &[String]) -> Result<PathBuf> {
    let host = host()?;
    let mut command = cargo();
    command
        .current_dir(folder())
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", folder().join("target"))
        // Not locked: a dependency that a codec gains would stop everybody here.
        .args(["build", "--target", &host]);
    for target in targets {
        command.args(["--bin", target]);
    }
    run(&mut command).context("the fuzz targets")?;
    Ok(folder().join("target").join(host).join("debug"))
}

fn host() -> Result<String> {
    let rustc = variable("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    let output = Command::new(rustc).arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}

/// Runs one target; what it says is shown only where it found something.
fn fuzz(programs: &Path, target: &str, seconds: u32) -> Result<()> {
    let (corpus, artifacts) = (
        folder().join("corpus").join(target),
        folder().join("artifacts").join(target),
    );
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let output = Command::new(programs.join(target))
        .current_dir(folder())
        .args(BOUNDS)
        .args(options(target)?)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(folder().join("seeds").join(target))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start the target {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", finding(target, &said));
    }
    println!("fuzz: {target}: {}", summary(&said));
    Ok(())
}

/// The target's options file (`max_len`, `dict`), in the notation that other fuzzing services read too.
fn options(target: &str) -> Result<Vec<String>> {
    let path = folder().join("fuzz_targets").join(format!("{target}.options"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    Ok(pairs
        .map(|(key, value)| match key {
            "dict" => format!("-dict=dictionaries/{value}"),
            _ => format!("-{key}={value}"),
        })
        .collect())
}

/// What was found, and what to do with it.
fn finding(target: &str, said: &str) -> String {
    let start = said.find("panicked at").unwrap_or_default();
    let told: Vec<&str> = said[start..].lines().take(4).collect();
    let file = said.lines().find_map(|line| {
        line.split_once("Test unit written to ")
            .map(|(_, path)| path.trim())
    });
    let file = file.unwrap_or("(the target ended without writing its input)");
    format!(
        "fuzz: {target} found something:\n{}\n  input:  {file}\n  replay: cargo xtask fuzz --replay {target} {file}\n  \
         then:   write a test that fails with it in the reader's crate, copy it to fuzz/seeds/{target}/, mend the reader",
        told.join("\n")
    )
}

/// The last line of statistics.
fn summary(said: &str) -> &str {
    let line = said.lines().rev().find(|line| line.contains("exec/s"));
    line.unwrap_or("ran").trim()
}

fn folder() -> PathBuf {
    root().join("fuzz")
}

/// Each input within ten seconds and the whole target within 512 MB.
const BOUNDS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=512"];

/// Without `--cfg fuzzing`: what runs here is what runs in the server.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
