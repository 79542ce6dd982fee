//! `quartermaster demo`: the main job on this machine, with nothing else installed.
//!
//! A real server on an embedded database, a Store service, and simulated Windows devices that share no code with it, all
//! over real TLS. What is shown is what the admin API says; nothing is staged.

pub mod api;
pub mod port;
pub mod scene;
mod screen;
mod story;

use anyhow::Result;
use clap::Args;
use scene::{Options, Scene};
use screen::Screen;
use std::{path::PathBuf, process::ExitCode};

/// How the demonstration is run.
#[derive(Debug, Args)]
pub struct Demo {
    /// How many devices, 1 to 200
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=200))]
    pub devices: u64,
    /// Keep the installation and say where it is
    #[arg(long)]
    pub keep: bool,
    /// A package of yours (.appx, .msix or a bundle) to deploy as well
    #[arg(long, value_name = "FILE")]
    pub package: Option<PathBuf>,
    /// A framework that it needs; may be repeated
    #[arg(long, value_name = "FILE", requires = "package")]
    pub dependency: Vec<PathBuf>,
}

/// Runs the demonstration. The exit status is 0 only if every app reached its devices.
pub async fn run(demo: &Demo) -> Result<ExitCode> {
    let screen = Screen::default();
    screen::chapter("The stage");
    // One seat too few, so that somebody has to wait; a lone device gets its seat.
    let options = Options {
        devices: demo.devices,
        seats: (demo.devices - 1).max(1),
        database: None,
    };
    let scene = Scene::set(&options).await?;
    screen.step(&format!("Store service at {}", scene.store.base_url()));
    screen.step(&format!("server at {} on an embedded database", scene.discovery));
    let outcome = story::tell(&scene, demo, &screen).await;
    let kept = scene.strike(demo.keep).await?;
    let complete = outcome?;
    if let Some(folder) = kept {
        screen::note(&format!("kept in {}", folder.display()));
    }
    screen.verdict(complete);
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
