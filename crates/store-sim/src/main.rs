//! `store-sim`: a Store for Business service on this machine, until it is interrupted.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum, builder::PossibleValuesParser};
use http::StatusCode;
use qm_core::Secret;
use qm_store_sim::{
    Bound, Fault, Product, ProductKey, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{self, PackageEntry},
    fault,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::signal;

/// A Store for Business management service for development: a small catalogue, seats, licenses, packages.
#[derive(Debug, Parser)]
#[command(name = "store-sim", version)]
struct Options {
    /// Port of the API and the token endpoint on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the content host on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    content_port: u16,
    /// Seats of the online-licensed app.
    #[arg(long, default_value_t = 25)]
    seats: u64,
    /// A user of the organization; may be repeated. Without any, every well-formed name is a user.
    #[arg(long = "user", value_name = "UPN")]
    users: Vec<String>,
    /// A package or bundle to offer as an offline-licensed app as well; may be repeated.
    #[arg(long = "package", value_name = "FILE")]
    packages: Vec<PathBuf>,
    /// The organization's tenant id.
    #[arg(long)]
    tenant_id: Option<String>,
    /// The management tool's application id.
    #[arg(long)]
    client_id: Option<String>,
    /// The application's secret.
    #[arg(long)]
    client_secret: Option<String>,
    /// Seconds that addresses of packages are good.
    #[arg(long, default_value_t = 600)]
    address_seconds: u64,
    /// Seconds that tokens are good.
    #[arg(long, default_value_t = 4271)]
    token_seconds: u64,
    /// Write the numbers of token answers as numbers, not as text.
    #[arg(long)]
    token_numbers: bool,
    /// Seconds that continuation tokens are good.
    #[arg(long, default_value_t = 3600)]
    continuation_seconds: u64,
    /// This many more products without packages, for long inventories.
    #[arg(long, default_value_t = 0)]
    products: usize,
    /// Whether `modifiedSince` includes its own moment.
    #[arg(long, value_enum, default_value_t = BoundOption::Inclusive)]
    modified_since: BoundOption,
    /// Status for "no seats left".
    #[arg(long, default_value = "409")]
    no_seats_status: StatusCode,
    /// Answer 404 in place of 409 for the license of an online-licensed product.
    #[arg(long)]
    online_license_is_not_found: bool,
    /// Answer with PascalCase names.
    #[arg(long)]
    pascal_case: bool,
    /// A fault to switch on; may be repeated.
    #[arg(long = "fault", value_name = "NAME", value_parser = PossibleValuesParser::new(fault::names()))]
    faults: Vec<String>,
}

/// [`Bound`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BoundOption {
    Inclusive,
    Exclusive,
}

impl From<BoundOption> for Bound {
    fn from(option: BoundOption) -> Self {
        match option {
            BoundOption::Inclusive => Self::Inclusive,
            BoundOption::Exclusive => Self::Exclusive,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let sim = StoreSim::start(config(&options)?).await?;
    if options.pascal_case {
        sim.inject(Fault::PascalCase.always());
    }
    for rule in options.faults.iter().filter_map(|name| fault::preset(name)) {
        sim.inject(rule);
    }
    announce(&sim, &options);
    interrupted().await?;
    sim.stop().await;
    Ok(())
}

fn config(options: &Options) -> Result<SimConfig> {
    let default = SimConfig::default();
    let mut products = catalogue::demo(options.seats)?;
    products.extend(catalogue::many(options.products));
    for (index, path) in options.packages.iter().enumerate() {
        products.push(offered(index, path)?);
    }
    let given = |option: &Option<String>, default: String| option.clone().unwrap_or(default);
    Ok(SimConfig {
        port: options.port,
        content_port: options.content_port,
        tenant_id: given(&options.tenant_id, default.tenant_id),
        client_id: given(&options.client_id, default.client_id),
        client_secret: options
            .client_secret
            .clone()
            .map_or(default.client_secret, Secret::new),
        address_lifetime: Duration::from_secs(options.address_seconds),
        token_lifetime: Duration::from_secs(options.token_seconds),
        token_numbers: options.token_numbers,
        continuation_lifetime: Duration::from_secs(options.continuation_seconds),
        modified_since: options.modified_since.into(),
        no_seats_status: options.no_seats_status,
        online_license_is_not_found: options.online_license_is_not_found,
        everyone_exists: options.users.is_empty(),
        users: options.users.clone(),
        products,
        ..SimConfig::default()
    })
}

/// A product made of somebody's package.
fn offered(index: usize, path: &Path) -> Result<Product> {
    let content = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let package = PackageEntry::from_file(&file_name, content.into())
        .with_context(|| format!("{} is no package", path.display()))?;
    let key = ProductKey::new(&format!("9OFFER{index:06}"), "0010");
    let family_name = package.family_name();
    let name = package.file.identity_name.clone();
    Ok(Product::offline(key, &name, &family_name, vec![package]))
}

#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
fn announce(sim: &StoreSimHandle, options: &Options) {
    let mut line = format!(
        "base_url={} authority_url={} content_url={} tenant_id={} client_id={} resource={}",
        sim.base_url(),
        sim.authority_url(),
        sim.content_url(),
        sim.tenant_id(),
        sim.client_id(),
        sim.resource(),
    );
    // The secret that everybody may know; one that was given stays with whoever gave it.
    if options.client_secret.is_none() {
        line.extend([" client_secret=", &sim.client_secret()]);
    }
    println!("{line}");
}

#[cfg(unix)]
async fn interrupted() -> Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> Result<()> {
    Ok(signal::ctrl_c().await?)
}
