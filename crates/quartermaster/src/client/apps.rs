//! `quartermaster apps`

use super::{
    ClientError, Limit,
    answer::Answer,
    api::Api,
    text,
    upload::{self, Files},
};
use clap::{Subcommand, builder::PossibleValuesParser};
use qm_admin_api::types::{App, AppQuery, Package, Seats};
use qm_core::app::LicenseKind;
use uuid::Uuid;

/// What can be done with apps.
#[derive(Debug, Subcommand)]
pub enum Apps {
    /// List the catalogue
    List {
        /// Only apps licensed this way
        #[arg(long, value_parser = PossibleValuesParser::new(LicenseKind::ALL.iter().map(|kind| kind.as_str())))]
        license: Option<String>,
        /// Only apps with this text in name, publisher or family name
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one app with its packages
    Show {
        /// The app
        id: Uuid,
    },
    /// Upload a package with the frameworks it needs
    Upload(Files),
}

/// Carries out one of them.
pub async fn run(command: Apps, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Apps::List { license, q, limit } => {
            let query = AppQuery {
                license,
                q,
                ..AppQuery::default()
            };
            Ok(Answer::list(
                api.list(&["apps"], &query, limit).await?,
                HEADING,
                row,
            ))
        }
        Apps::Show { id } => Ok(Answer::of(api.get(&["apps", &id.to_string()]).await?, details)),
        Apps::Upload(files) => {
            let form = upload::form(&files).await?;
            Ok(Answer::of(
                api.upload(&["apps", "packages"], form).await?,
                details,
            ))
        }
    }
}

const HEADING: &[&str] = &["id", "name", "source", "license", "seats", "state", "family name"];

fn row(app: App) -> Vec<String> {
    vec![
        app.id.to_string(),
        app.name,
        app.source,
        app.license,
        text::or_dash(app.seats.map(|seats| used(&seats))),
        app.state,
        text::or_dash(app.package_family_name),
    ]
}

fn details(app: App) -> String {
    let store = app
        .store
        .map(|ids| format!("product {}, SKU {}", ids.product_id, ids.sku_id));
    let properties = text::details([
        ("Id", app.id.to_string()),
        ("Name", app.name),
        ("Publisher", text::or_dash(app.publisher)),
        ("Family name", text::or_dash(app.package_family_name)),
        ("Source", app.source),
        ("Store", text::or_dash(store)),
        ("License", app.license),
        ("Seats", text::or_dash(app.seats.map(|seats| used(&seats)))),
        ("State", app.state),
    ]);
    properties
        + &text::section(
            "Packages",
            &text::table(PACKAGE_HEADING, app.packages.into_iter().map(package)),
        )
}

fn used(seats: &Seats) -> String {
    let total = seats
        .total
        .map_or_else(|| "unlimited".to_owned(), |total| total.to_string());
    format!("{} of {total}", seats.assigned)
}

const PACKAGE_HEADING: &[&str] = &[
    "file",
    "role",
    "version",
    "architecture",
    "bytes",
    "here",
    "sha256",
];

fn package(package: Package) -> Vec<String> {
    vec![
        package.file_name,
        package.role,
        package.version,
        package.architecture,
        package.size.to_string(),
        if package.downloaded { "yes" } else { "no" }.to_owned(),
        text::or_dash(package.sha256),
    ]
}
