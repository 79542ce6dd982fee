//! Package links against nginx over TLS: megabytes for each second of CPU, and memory.

use crate::{
    Effort,
    fetch::Fetcher,
    figure::{Figure, Goal, median},
    nginx, note,
    process::Process,
    server::Installation,
};
use anyhow::{Context as _, Result, ensure};
use qm_content::{ContentStore, LinkSigner};
use qm_core::{Clock, Secret, Sha256};
use qm_pki::key_file;
use quartermaster::config::Config;
use std::{fs, net::SocketAddr, ops::Range, path::Path, time::Duration};

/// The whole file and the file in ranges, each from both servers in turn.
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    note("content");
    let installation = Installation::make(None).await?;
    let (config, root) = (installation.config()?, installation.root()?);
    let link = store(&config, &installation.path("bench.msix"), effort.package).await?;
    let server = installation.start().await?;
    let before = server.resident()?;
    let ours = Site {
        process: &server,
        address: config.enrollment.listen,
        path: &link,
    };
    let Some(program) = nginx::find() else {
        note("content: nginx is not installed, so there is nothing to compare with");
        return alone(&ours, &root, effort).await;
    };
    let folder = installation.path("nginx");
    fs::create_dir(&folder)?;
    let (peer, address) = nginx::start(&program, &config, &installation.path(""), &folder).await?;
    let theirs = Site {
        process: &peer,
        address,
        path: "/bench.msix",
    };
    let mut figures = Vec::new();
    for (name, part) in [
        ("a whole file", effort.package),
        ("a file in ranges of 4 MB", PART),
    ] {
        let mut pairs = Vec::new();
        for round in 0..=effort.rounds {
            let pair = (
                ours.rate(&root, effort.package, part).await?,
                theirs.rate(&root, effort.package, part).await?,
            );
            if round > 0 {
                pairs.push(pair);
            }
        }
        let (rate, peer): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let detail = format!(
            "{:.0} : {:.0} MB in a second of CPU",
            median(&rate),
            median(&peer)
        );
        figures
            .push(Figure::ratio(format!("{name} by link : nginx"), &pairs, Goal::AtLeast(1.2)).with(detail));
    }
    figures.push(memory(&server, before).await?);
    Ok(figures)
}

/// What can be said without a peer.
async fn alone(ours: &Site<'_>, root: &str, effort: Effort) -> Result<Vec<Figure>> {
    let mut rates = Vec::new();
    for _ in 0..effort.rounds {
        rates.push(ours.rate(root, effort.package, effort.package).await?);
    }
    Ok(vec![Figure::of(
        "a whole file by link, in a second of CPU",
        &rates,
        " MB",
        Goal::None,
    )])
}

/// The most that the process grew by while it served.
#[expect(clippy::cast_precision_loss, reason = "shown in megabytes")]
async fn memory(server: &Process, before: u64) -> Result<Figure> {
    let grown = server.reading().await?.peak_memory.saturating_sub(before) as f64 / 1e6;
    Ok(Figure::of(
        "memory for serving it",
        &[grown],
        " MB",
        Goal::AtMost(20.0),
    ))
}

/// Where the file is to be had.
struct Site<'a> {
    process: &'a Process,
    address: SocketAddr,
    path: &'a str,
}

impl Site<'_> {
    /// Megabytes for a second of the server's CPU, over some downloads one after the other.
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    async fn rate(&self, root: &str, size: u64, part: u64) -> Result<f64> {
        let mut fetcher = Fetcher::connect(self.address, root, self.path).await?;
        let before = self.process.reading().await?;
        for _ in 0..DOWNLOADS {
            for range in parts(size, part) {
                let length = range.end - range.start;
                let got = fetcher.fetch((part < size).then_some(range)).await?;
                ensure!(got == length, "{got} bytes instead of {length}");
            }
        }
        let used = (self.process.reading().await? - before)
            .cpu
            .max(Duration::from_millis(1));
        Ok((size * DOWNLOADS) as f64 / 1e6 / used.as_secs_f64())
    }
}

fn parts(size: u64, part: u64) -> impl Iterator<Item = Range<u64>> {
    let starts = (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX));
    starts.map(move |start| start..(start + part).min(size))
}

/// Makes a file, stores it as content and leaves it where nginx finds it; its link.
async fn store(config: &Config, file: &Path, size: u64) -> Result<String> {
    let content = ContentStore::open(config.content_folder()?).await?;
    let mut writer = content.writer().await?;
    let block: Vec<u8> = (0..BLOCK)
        .map(|index: u32| index.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        writer.write(&block[..length]).await?;
        left -= length as u64;
    }
    let stored = writer.finish(None, None).await?;
    fs::hard_link(content.path(&stored.sha256), file)?;
    let key = key_file::read(&config.path(&config.keys.links))?;
    let key: Sha256 = key
        .expose()
        .trim()
        .parse()
        .ok()
        .context("keys.links holds no key")?;
    let expires = Clock::system().now() + Duration::from_hours(24);
    Ok(LinkSigner::new(Secret::new(key.0)).link(&stored.sha256, "bench.msix", expires))
}

const DOWNLOADS: u64 = 5;
const PART: u64 = 4_000_000;
const BLOCK: u32 = 1 << 20;
