//! Writing and reading the archive, with the digest of every entry.

use super::{Entry, FORMAT, MANIFEST, Manifest};
use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};
use tempfile::NamedTempFile;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// An archive that is being written, beside its place and readable by its owner only.
pub(super) struct Writer {
    zip: ZipWriter<BufWriter<NamedTempFile>>,
    entries: BTreeMap<String, Entry>,
    current: Option<(String, Sha256)>,
}

impl Writer {
    /// Begins an archive in the folder where it will be.
    pub(super) fn begin(place: &Path) -> Result<Self> {
        let folder = match place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write into {}: is the folder there?", folder.display()))?;
        Ok(Self {
            zip: ZipWriter::new(BufWriter::new(file)),
            entries: BTreeMap::new(),
            current: None,
        })
    }

    /// Begins an entry.
    pub(super) fn entry(&mut self, name: &str) -> io::Result<()> {
        self.end_entry(None);
        self.zip.start_file(name, options())?;
        self.current = Some((name.to_owned(), Sha256::new()));
        Ok(())
    }

    /// Adds to the entry.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some((_, digest)) = &mut self.current {
            digest.update(bytes);
        }
        self.zip.write_all(bytes)
    }

    /// Adds a line to the entry.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.write(line.as_bytes())?;
        self.write(b"\n")
    }

    /// Ends the entry; `rows` for a table.
    pub(super) fn end_entry(&mut self, rows: Option<u64>) {
        if let Some((name, digest)) = self.current.take() {
            let sha256 = hex(digest);
            self.entries.insert(name, Entry { sha256, rows });
        }
    }

    /// Writes the manifest and puts the whole in its place, which must be free.
    pub(super) fn finish(
        mut self,
        place: &Path,
        schema: &[i64],
        engine: &str,
        created_at: String,
    ) -> Result<()> {
        self.end_entry(None);
        let manifest = Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            engine: engine.to_owned(),
            schema: schema.to_vec(),
            entries: self.entries,
        };
        self.zip.start_file(MANIFEST, options())?;
        serde_json::to_writer_pretty(&mut self.zip, &manifest)?;
        let file = self
            .zip
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(place)
            .with_context(|| format!("cannot write {}", place.display()))?;
        Ok(())
    }
}

/// Tables may be larger than 4 GiB.
fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(true)
        .unix_permissions(0o600)
}

fn digest_of(mut from: impl Read) -> io::Result<String> {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(digest)),
            length => digest.update(&buffer[..length]),
        }
    }
}

fn hex(digest: Sha256) -> String {
    qm_core::Sha256(digest.finalize().into()).to_string()
}

/// An archive whose every entry is as its manifest says.
pub(super) struct Reader {
    zip: ZipArchive<BufReader<File>>,
    pub(super) manifest: Manifest,
}

impl Reader {
    /// Opens an archive and reads all of it.
    pub(super) fn open(place: &Path) -> Result<Self> {
        let file = File::open(place).with_context(|| format!("cannot open {}", place.display()))?;
        let no_backup = || format!("{} is no backup, or is cut off", place.display());
        let mut zip = ZipArchive::new(BufReader::new(file)).with_context(no_backup)?;
        let manifest: Manifest = serde_json::from_reader(zip.by_name(MANIFEST).with_context(no_backup)?)
            .with_context(no_backup)?;
        ensure!(
            manifest.format <= FORMAT,
            "the backup was written by version {} of this program in a newer form: restore it with that version",
            manifest.program
        );
        let mut reader = Self { zip, manifest };
        reader.verify()?;
        Ok(reader)
    }

    fn verify(&mut self) -> Result<()> {
        for (name, entry) in &self.manifest.entries {
            let stored = self.zip.by_name(name).map_err(io::Error::from);
            if stored.and_then(digest_of).ok().as_ref() != Some(&entry.sha256) {
                bail!("the backup is damaged ({name}): nothing was changed; take another one");
            }
        }
        Ok(())
    }

    /// Whether there is such an entry.
    pub(super) fn has(&self, name: &str) -> bool {
        self.manifest.entries.contains_key(name)
    }

    /// A whole entry; for files, which are small.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.zip.by_name(name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// An entry line by line.
    pub(super) fn lines(&mut self, name: &str) -> Result<impl Iterator<Item = io::Result<String>> + '_> {
        Ok(BufReader::new(self.zip.by_name(name)?).lines())
    }
}
