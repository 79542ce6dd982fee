//! `quartermaster restore`: makes an installation from an archive where there is none.

use super::{
    CONTENT, ContentLine,
    archive::Reader,
    files::{self, CONFIGURATION},
    table_entry,
};
use crate::{config::Config, init::private_folder, output};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use qm_content::ContentStore;
use qm_core::Secret;
use qm_db::dump::{self, Loader};
use qm_pki::key_file;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is restored, and where to.
#[derive(Debug, Args)]
pub struct Restore {
    /// The archive that `quartermaster backup` wrote
    pub file: PathBuf,
    /// The folder of the new installation; made if it is not there
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Another database than the one in the backup: sqlite:FILE or postgres://user:password@host/name, empty
    #[arg(long, env = "QUARTERMASTER_RESTORE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Restored {
    /// The configuration file of the new installation.
    pub config: PathBuf,
    /// Where its packages belong.
    pub content: PathBuf,
    /// Content that the database names and that is not there, by its digest.
    pub missing: Vec<String>,
}

/// Restores and says what is still to be done.
pub async fn run(restore_from: &Restore) -> Result<()> {
    let restored = restore(restore_from).await?;
    output::line(&format!(
        "Restored. Run it: quartermaster serve --config {}",
        restored.config.display()
    ));
    if !restored.missing.is_empty() {
        output::note(&format!(
            "{} packages or icons are not in {}: copy the content folder of the old installation there, or upload them \
             again. Missing:\n{}",
            restored.missing.len(),
            restored.content.display(),
            restored.missing.join("\n")
        ));
    }
    Ok(())
}

/// Makes an installation. All of the archive is checked before anything is changed; where it fails half-way, what it made
/// is removed.
pub async fn restore(wanted: &Restore) -> Result<Restored> {
    let mut archive = Reader::open(&wanted.file)?;
    clear_unfinished(&wanted.data_dir)?;
    refuse_existing(&wanted.data_dir)?;
    let mut made = Made::default();
    match fill(wanted, &mut archive, &mut made).await {
        Ok(restored) => Ok(restored),
        Err(error) => {
            made.undo();
            Err(error.context(
                "nothing was restored, and folder and database are as they were: mend this and restore again",
            ))
        }
    }
}

/// What a restore made so far.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    database: Option<String>,
}

impl Made {
    fn undo(self) {
        for file in self.files {
            // It was made a moment ago; what cannot be removed is in the way of the next attempt, which says so.
            let _ = fs::remove_file(file);
        }
        if let Some(url) = self.database {
            let _ = dump::discard(&url);
        }
    }
}

/// Removes what a restore that was killed half-way left: it began with a mark, in a folder that had none of these files.
fn clear_unfinished(folder: &Path) -> Result<()> {
    let mark = folder.join(UNFINISHED);
    if folder.join(CONFIGURATION).exists() || !mark.exists() {
        return Ok(());
    }
    for path in files::places().map(|path| folder.join(path)).chain([mark]) {
        if path.exists() {
            fs::remove_file(&path).with_context(|| {
                format!("{} was left by an unfinished restore; remove it", path.display())
            })?;
        }
    }
    Ok(())
}

fn refuse_existing(folder: &Path) -> Result<()> {
    for path in files::places().chain([CONFIGURATION]) {
        let path = folder.join(path);
        if path.exists() {
            bail!(
                "{} exists already and is not overwritten\nhint: restore into another folder, or move this installation away",
                path.display()
            );
        }
    }
    Ok(())
}

async fn fill(wanted: &Restore, archive: &mut Reader, made: &mut Made) -> Result<Restored> {
    for folder in ["keys", "content", "tls"] {
        private_folder(&wanted.data_dir.join(folder))?;
    }
    let text = String::from_utf8(archive.bytes(&files::entry(CONFIGURATION))?)?;
    let text = files::moved(&text, wanted.database_url.as_deref())?;
    // An installation is there once its configuration is.
    let unfinished = wanted.data_dir.join(UNFINISHED);
    write(&unfinished, text.into_bytes(), made)?;
    for path in files::places() {
        if archive.has(&files::entry(path)) {
            let bytes = archive.bytes(&files::entry(path))?;
            write(&wanted.data_dir.join(path), bytes, made)?;
        }
    }
    let config = Config::load(&unfinished)?;
    let database = load(&config.database_url(), archive, made).await?;
    let (content, missing) = missing(&config, archive).await?;
    database.finish().await.context(UNUSABLE)?;
    let place = wanted.data_dir.join(CONFIGURATION);
    fs::rename(&unfinished, &place).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(Restored {
        config: place,
        content,
        missing,
    })
}

fn write(path: &Path, bytes: Vec<u8>, made: &mut Made) -> Result<()> {
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
    key_file::create(path, &Secret::new(text))?;
    made.files.push(path.to_owned());
    Ok(())
}

/// Fills the database, some hundred rows at a time; nothing of it is there until it is finished.
async fn load(url: &str, archive: &mut Reader, made: &mut Made) -> Result<Loader> {
    let mut loader = Loader::begin(url, &archive.manifest.schema)
        .await
        .context(UNUSABLE)?;
    made.database = Some(url.to_owned());
    for table in dump::tables() {
        let entry = table_entry(table);
        if !archive.has(&entry) {
            continue;
        }
        let mut lines = archive.lines(&entry)?;
        let Some(header) = lines.next().transpose()? else {
            continue;
        };
        let mut rows = loader.table(table, &header).await?;
        let mut batch = Batch::default();
        for line in lines {
            if let Some(full) = batch.push(&line?) {
                rows.store(&full)
                    .await
                    .with_context(|| format!("table {table}"))?;
            }
        }
        if let Some(rest) = batch.take() {
            rows.store(&rest)
                .await
                .with_context(|| format!("table {table}"))?;
        }
    }
    Ok(loader)
}

/// The configuration until everything else is there.
const UNFINISHED: &str = "quartermaster.toml.restoring";
const UNUSABLE: &str = "cannot restore into the database (--database-url, or database.url of the backup)";

/// Lines on their way into one statement.
#[derive(Default)]
struct Batch {
    text: String,
    lines: usize,
}

impl Batch {
    /// Adds a line; the whole, once it is large enough.
    fn push(&mut self, line: &str) -> Option<String> {
        self.text.push(if self.lines == 0 { '[' } else { ',' });
        self.text.push_str(line);
        self.lines += 1;
        if self.lines < MOST_LINES && self.text.len() < MOST_BYTES {
            return None;
        }
        self.take()
    }

    fn take(&mut self) -> Option<String> {
        if self.lines == 0 {
            return None;
        }
        self.lines = 0;
        Some(std::mem::take(&mut self.text) + "]")
    }
}

const MOST_LINES: usize = 500;
const MOST_BYTES: usize = 1024 * 1024;

/// Where packages belong, and which of those that the backup names are not there.
async fn missing(config: &Config, archive: &mut Reader) -> Result<(PathBuf, Vec<String>)> {
    let folder = config.content_folder()?;
    let content = ContentStore::open(&folder)
        .await
        .context("cannot open the package store (content.url)")?;
    let mut missing = Vec::new();
    for line in archive.lines(CONTENT)? {
        let line: ContentLine = serde_json::from_str(&line?)?;
        let here = match line.sha256.parse() {
            Ok(digest) => content.size(&digest).await?,
            Err(_) => None,
        };
        if line.size.is_some() && here != line.size {
            missing.push(line.sha256);
        }
    }
    Ok((folder, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stored_together_until_there_are_enough() {
        let mut batch = Batch::default();
        assert_eq!(batch.take(), None);
        assert_eq!(batch.push("[1]"), None);
        assert_eq!(batch.push("[2]"), None);
        assert_eq!(batch.take().as_deref(), Some("[[1],[2]]"));
        let large = "x".repeat(MOST_BYTES);
        assert!(batch.push(&large).is_some_and(|text| text.ends_with(']')));
        assert_eq!(batch.take(), None);
    }
}
