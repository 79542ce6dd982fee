//! Uploads: packages are streamed into the content store, looked into, and become an app of the catalogue.
//!
//! [`Orchestrator::begin_upload`], a [`PartWriter`] for each file, [`Orchestrator::finish_upload`]. Each package is verified
//! when it has arrived; all are stored once it is clear that they belong together. An [`Upload`] that is dropped before
//! leaves nothing.

mod accept;
mod enter;

use crate::{
    Orchestrator, UseCaseError,
    access::{Caller, digest_bytes},
    apps::AppDetail,
};
use accept::{Accepted, Inspected};
use qm_content::{CompleteContent, ContentError, ContentStore, ContentWriter};
use qm_db::run;
use qm_package::{Limits, PackageError, Verified, license, license::LicenseFile, verify};
use std::error::Error;

/// What a file of an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The app: exactly one.
    Package,
    /// A framework, or a package that the app names as a dependency.
    Dependency,
    /// The app's offline license: one at most.
    License,
}

/// An upload under way.
pub struct Upload {
    content: ContentStore,
    /// The most bytes of all parts together.
    limit: u64,
    taken: u64,
    package: Option<Inspected>,
    dependencies: Vec<Inspected>,
    license: Option<LicenseBytes>,
    /// The packages' bytes until they are stored.
    held: Vec<CompleteContent>,
}

struct LicenseBytes {
    file_name: String,
    bytes: Vec<u8>,
}

impl Orchestrator {
    /// Begins an upload.
    pub fn begin_upload(&self) -> Upload {
        Upload {
            content: self.content.clone(),
            limit: self.settings.upload_bytes,
            taken: 0,
            package: None,
            dependencies: Vec::new(),
            license: None,
            held: Vec::new(),
        }
    }

    /// Looks into what was uploaded and enters it into the catalogue: as a package of the uploaded app of the same
    /// family, or as a new app.
    pub async fn finish_upload(&self, caller: &Caller, upload: Upload) -> Result<AppDetail, UseCaseError> {
        let (accepted, held) = accept(upload)?;
        self.foresee(&accepted).await?;
        self.warn_of_signatures(&accepted);
        for content in held {
            content.store().await.map_err(storage)?;
        }
        let id = run!(self.db, "app.upload", |tx| self
            .enter(tx, caller, &accepted)
            .await)?;
        self.wake.all();
        self.app(id).await
    }

    fn warn_of_signatures(&self, upload: &Accepted) {
        for file in std::iter::once(&upload.main).chain(&upload.dependencies) {
            if !file.signed {
                let full_name = &file.package.full_name;
                tracing::warn!(
                    package.full_name = full_name,
                    "the package is not signed; devices refuse it"
                );
            }
            if file.lapses.is_some_and(|end| end < self.clock.now()) {
                let full_name = &file.package.full_name;
                tracing::warn!(
                    package.full_name = full_name,
                    "the package's certificate has expired, and it has no timestamp; devices may refuse it"
                );
            }
        }
    }
}

/// Whether the files of an upload belong together; with their bytes, if so.
fn accept(upload: Upload) -> Result<(Accepted, Vec<CompleteContent>), UseCaseError> {
    let Upload {
        package,
        dependencies,
        license,
        held,
        ..
    } = upload;
    let package = package.ok_or_else(|| UseCaseError::invalid("package", "the form has no such file"))?;
    let license = license.map(|file| read_license(&file).map(|license| (file.file_name, license)));
    let accepted = Accepted::check(package, dependencies, license.transpose()?)?;
    Ok((accepted, held))
}

impl Upload {
    /// Begins the next file. Its name is for people and for the address that devices download from.
    pub async fn part(&mut self, part: Part, file_name: &str) -> Result<PartWriter<'_>, UseCaseError> {
        let again = match part {
            Part::Package => self.package.is_some(),
            Part::License => self.license.is_some(),
            Part::Dependency => self.dependencies.len() >= MAX_DEPENDENCIES,
        };
        if again {
            return Err(too_many(part));
        }
        let sink = match part {
            Part::License => Sink::Memory(Vec::new()),
            Part::Package | Part::Dependency => Sink::Store(Box::new(StoreSink::open(&self.content).await?)),
        };
        let file_name = accept::shown_name(file_name, part);
        Ok(PartWriter {
            upload: self,
            part,
            file_name,
            sink,
        })
    }

    /// What was received, to tell a repeated upload from another one.
    pub fn contents(&self) -> Vec<String> {
        let packages = self.package.iter().chain(&self.dependencies);
        let packages = packages.map(|file| format!("{} {}", file.stored.sha256, file.file_name));
        let license = self
            .license
            .iter()
            .map(|file| digest_bytes(&file.bytes).to_string());
        packages.chain(license).collect()
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), UseCaseError> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.limit {
            Err(UseCaseError::TooLarge { limit: self.limit })
        } else {
            Ok(())
        }
    }
}

/// Takes one file of an upload. Dropped before [`PartWriter::finish`], it leaves nothing.
pub struct PartWriter<'u> {
    upload: &'u mut Upload,
    part: Part,
    file_name: String,
    sink: Sink,
}

enum Sink {
    Store(Box<StoreSink>),
    Memory(Vec<u8>),
}

/// Writes to the content store as long as the disk has room to spare.
struct StoreSink {
    content: ContentStore,
    writer: ContentWriter,
    /// Bytes of this file that there is known to be room for.
    room: u64,
}

impl StoreSink {
    async fn open(content: &ContentStore) -> Result<Self, UseCaseError> {
        Ok(Self {
            content: content.clone(),
            writer: content.writer().await.map_err(storage)?,
            room: 0,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), UseCaseError> {
        let size = self.writer.size() + bytes.len() as u64;
        if size > self.room {
            self.content.check_room(ROOM_STEP).await.map_err(storage)?;
            self.room = size + ROOM_STEP;
        }
        self.writer.write(bytes).await.map_err(storage)
    }
}

impl PartWriter<'_> {
    /// Takes the next bytes. After an error the upload is of no more use.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UseCaseError> {
        self.upload.count(bytes)?;
        match &mut self.sink {
            Sink::Store(store) => store.write(bytes).await,
            Sink::Memory(taken) if taken.len() + bytes.len() > MAX_LICENSE => Err(refused(
                &self.file_name,
                "is larger than a megabyte, which no license is",
            )),
            Sink::Memory(taken) => {
                taken.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The file is complete. A package is read through and kept if it is whole, its publisher's and fit for devices.
    pub async fn finish(self) -> Result<(), UseCaseError> {
        let Self {
            upload,
            part,
            file_name,
            sink,
        } = self;
        match sink {
            Sink::Memory(bytes) => upload.license = Some(LicenseBytes { file_name, bytes }),
            Sink::Store(store) => {
                let (inspected, content) = inspect(file_name, store.writer).await?;
                upload.held.push(content);
                match part {
                    Part::Package => upload.package = Some(inspected),
                    Part::Dependency | Part::License => upload.dependencies.push(inspected),
                }
            }
        }
        Ok(())
    }
}

fn too_many(part: Part) -> UseCaseError {
    match part {
        Part::Package => {
            UseCaseError::invalid("package", "an upload has one; upload other apps on their own")
        }
        Part::License => UseCaseError::invalid("license", "an upload has one at most"),
        Part::Dependency => {
            UseCaseError::invalid("dependency", format!("an upload has {MAX_DEPENDENCIES} at most"))
        }
    }
}

async fn inspect(
    file_name: String,
    mut writer: ContentWriter,
) -> Result<(Inspected, CompleteContent), UseCaseError> {
    let read = writer.look(|file| verify(file, &Limits::default())).await;
    let Verified {
        file: package,
        signed,
        lapses,
    } = match read.map_err(storage)? {
        Ok(verified) => verified,
        Err(PackageError::Io(error)) => return Err(UseCaseError::Internal(error.to_string())),
        Err(error) => return Err(refused(&file_name, &causes(&error))),
    };
    let content = writer.complete(None, None).await.map_err(storage)?;
    let inspected = Inspected {
        file_name,
        stored: content.stored(),
        package,
        signed,
        lapses,
    };
    Ok((inspected, content))
}

fn read_license(file: &LicenseBytes) -> Result<LicenseFile, UseCaseError> {
    license::read(&file.bytes).map_err(|error| refused(&file.file_name, &error.to_string()))
}

fn refused(file: &str, problem: &str) -> UseCaseError {
    UseCaseError::Package {
        file: file.to_owned(),
        problem: problem.to_owned(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "called by name in `map_err`")]
fn storage(error: ContentError) -> UseCaseError {
    if matches!(error, ContentError::Full { .. }) {
        tracing::warn!(error = causes(&error), "there is no room for an upload");
        return UseCaseError::Full;
    }
    UseCaseError::Internal(causes(&error))
}

/// An error with what is behind it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// In bytes; what is no license for other reasons is told by the reader.
const MAX_LICENSE: usize = 1 << 20;
/// How many bytes there has to be room for before so many are written.
const ROOM_STEP: u64 = 16 << 20;
/// Frameworks of all architectures of the largest apps are some thirty files.
const MAX_DEPENDENCIES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_full_disk_is_told_apart_from_other_faults() {
        let path = || "content".into();
        assert!(matches!(
            storage(ContentError::Full { path: path() }),
            UseCaseError::Full
        ));
        let denied = ContentError::Io {
            path: path(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        assert!(matches!(storage(denied), UseCaseError::Internal(_)));
    }
}
