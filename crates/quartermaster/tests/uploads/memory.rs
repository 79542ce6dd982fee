//! What an upload takes of the server's memory.

use crate::site::{Form, Site};
use anyhow::{Context as _, Result, ensure};
use qm_device_sim::load::Meter;

/// Of the large package.
const LARGE: usize = 24 << 20;
/// What the server may grow by, whatever the size.
const GROWTH: u64 = 12 << 20;

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_servers_memory_does_not_grow_with_the_size_of_an_upload() -> Result<()> {
    let site = Site::start().await?;
    let meter = Meter::Process(site.server.id().context("it runs")?);
    // The first one brings in what every upload needs.
    let small = Form::alone("Harborline.Small", 1 << 20)?;
    site.takes(&small, &site.content()).await?;
    let before = meter.read().await?.peak_memory;
    let answer = site.upload(&Form::alone("Harborline.Large", LARGE)?).await?;
    ensure!(answer.status() == 201, "{}", answer.text().await?);
    let grown = meter.read().await?.peak_memory - before;
    ensure!(grown < GROWTH, "{LARGE} bytes took {grown} bytes of memory");
    Ok(())
}
