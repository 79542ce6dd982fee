//! `quartermaster backup`: writes the archive, while the server may go on serving.

use super::{CONTENT, ContentLine, archive::Writer, files, table_entry};
use crate::{config::Config, output};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use qm_content::ContentStore;
use qm_core::Clock;
use qm_db::{
    Engine,
    dump::{DumpError, Snapshot},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// What is backed up, and where to.
#[derive(Debug, Args)]
pub struct Backup {
    /// The archive to write; it holds keys and secrets, and must not be there yet
    pub file: PathBuf,
    /// The configuration file of the installation
    #[arg(long)]
    pub config: PathBuf,
}

/// Writes a backup and says what is not in it.
pub async fn run(backup: &Backup) -> Result<()> {
    let rows = create(backup).await?;
    output::line(&format!(
        "{}: {rows} rows, keys, certificates and configuration. It holds secrets: keep it like the keys themselves.\n\
         Packages are not in it: copy the content folder as well.",
        backup.file.display()
    ));
    Ok(())
}

/// Writes a backup; how many rows it holds.
pub async fn create(backup: &Backup) -> Result<u64> {
    let place = &backup.file;
    if place.exists() {
        bail!(
            "{} exists already and is not overwritten: name another file",
            place.display()
        );
    }
    let config = Config::load(&backup.config)?;
    let mut snapshot = Snapshot::take(&config.database_url())
        .await
        .context("cannot read the database (database.url)")?;
    let mut writer = Writer::begin(place)?;
    for (path, source) in files::of(&config, &backup.config) {
        let bytes = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        writer.entry(&files::entry(path))?;
        writer.write(&bytes)?;
    }
    let (rows, named) = write_tables(&mut snapshot, &mut writer).await?;
    write_content(&config, &mut writer, named).await?;
    let engine = match snapshot.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let schema = snapshot.versions().to_vec();
    snapshot.close().await?;
    writer.finish(place, &schema, engine, Clock::system().now().to_string())?;
    Ok(rows)
}

/// Writes all rows; how many, and the digests of the content that they name.
async fn write_tables(snapshot: &mut Snapshot, writer: &mut Writer) -> Result<(u64, BTreeSet<String>)> {
    let (mut all, mut named) = (0, BTreeSet::new());
    for table in snapshot.tables().await? {
        writer.entry(&table_entry(table))?;
        let mut digests = Digests::of(table);
        let rows = snapshot.rows(table, |line| {
            named.extend(digests.in_line(line));
            writer.line(line)
        });
        let rows = rows.await.map_err(|error| match error {
            DumpError::Database(error) => {
                anyhow::Error::from(error).context(format!("cannot read the table {table}"))
            }
            DumpError::Output(error) => anyhow::Error::from(error).context("cannot write the backup"),
        })?;
        writer.end_entry(Some(rows));
        all += rows;
    }
    Ok((all, named))
}

/// Finds the digests of content in the rows of the tables that name some.
struct Digests {
    column: Option<&'static str>,
    position: Option<usize>,
}

impl Digests {
    fn of(table: &str) -> Self {
        let column = match table {
            "packages" => Some("sha256"),
            "apps" => Some("icon"),
            _ => None,
        };
        Self {
            column,
            position: None,
        }
    }

    /// The first line names the columns.
    fn in_line(&mut self, line: &str) -> Option<String> {
        let column = self.column?;
        let cells: Vec<serde_json::Value> = serde_json::from_str(line).ok()?;
        let Some(position) = self.position else {
            self.position = cells.iter().position(|name| name == column);
            return None;
        };
        Some(cells.get(position)?.as_str()?.to_lowercase())
    }
}

async fn write_content(config: &Config, writer: &mut Writer, named: BTreeSet<String>) -> Result<()> {
    let content = ContentStore::open(config.content_folder()?)
        .await
        .context("cannot open the package store (content.url)")?;
    writer.entry(CONTENT)?;
    for sha256 in named {
        let size = match sha256.parse() {
            Ok(digest) => content.size(&digest).await?,
            Err(_) => None,
        };
        writer.line(&serde_json::to_string(&ContentLine { sha256, size })?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_found_by_the_name_of_its_column() {
        let mut digests = Digests::of("packages");
        assert_eq!(digests.in_line(r#"["id","sha256","size"]"#), None);
        assert_eq!(digests.in_line(r#"["01","AB12",7]"#).as_deref(), Some("ab12"));
        assert_eq!(digests.in_line(r#"["01",null,7]"#), None);
        assert_eq!(Digests::of("devices").in_line(r#"["sha256"]"#), None);
    }
}
