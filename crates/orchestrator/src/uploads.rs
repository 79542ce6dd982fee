//! Uploads: packages are streamed into the content store, looked into, and become an app of the catalogue.
//!
//! [`Orchestrator::begin_upload`], a [`PartWriter`] for each file, [`Orchestrator::finish_upload`]. What was stored for an
//! upload that is refused stays unreferenced: it is addressed by its content and can do no harm.

mod accept;
mod enter;

use crate::{
    Orchestrator, UseCaseError,
    access::{Caller, digest_bytes},
    apps::AppDetail,
};
use accept::{Accepted, Inspected};
use qm_content::{ContentError, ContentStore, ContentWriter, Stored};
use qm_db::run;
use qm_package::{Limits, PackageError, PackageFile, license, license::LicenseFile};
use std::{error::Error, fs::File};

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
    package: Option<Received>,
    dependencies: Vec<Received>,
    license: Option<LicenseBytes>,
}

/// A package that is in the content store.
struct Received {
    file_name: String,
    stored: Stored,
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
        }
    }

    /// Looks into what was uploaded and enters it into the catalogue: as a package of the uploaded app of the same
    /// family, or as a new app.
    pub async fn finish_upload(&self, caller: &Caller, upload: Upload) -> Result<AppDetail, UseCaseError> {
        let accepted = self.accept(upload).await?;
        let id = run!(self.db, "app.upload", |tx| self
            .enter(tx, caller, &accepted)
            .await)?;
        self.wake.all();
        self.app(id).await
    }

    async fn accept(&self, upload: Upload) -> Result<Accepted, UseCaseError> {
        let Upload {
            package,
            dependencies,
            license,
            ..
        } = upload;
        let package = package.ok_or_else(|| UseCaseError::invalid("package", "the form has no such file"))?;
        let main = self.inspect(package).await?;
        let mut inspected = Vec::with_capacity(dependencies.len());
        for dependency in dependencies {
            inspected.push(self.inspect(dependency).await?);
        }
        let license = license.map(|file| read_license(&file).map(|license| (file.file_name, license)));
        Accepted::check(main, inspected, license.transpose()?)
    }

    async fn inspect(&self, received: Received) -> Result<Inspected, UseCaseError> {
        let Received { file_name, stored } = received;
        let content = self.content.reader(&stored.sha256).await.map_err(storage)?;
        let content =
            content.ok_or_else(|| UseCaseError::Internal(format!("content {} vanished", stored.sha256)))?;
        let file = content.into_file();
        let package = tokio::task::spawn_blocking(move || look_into(file)).await;
        let package = package.map_err(|error| UseCaseError::Internal(error.to_string()))?;
        match package {
            Ok(package) => Ok(Inspected {
                file_name,
                stored,
                package,
            }),
            Err(error) => Err(refused(&file_name, &causes(&error))),
        }
    }
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
            Part::Package | Part::Dependency => Sink::Store(self.content.writer().await.map_err(storage)?),
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
    Store(ContentWriter),
    Memory(Vec<u8>),
}

impl PartWriter<'_> {
    /// Takes the next bytes. After an error the upload is of no more use.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UseCaseError> {
        self.upload.count(bytes)?;
        match &mut self.sink {
            Sink::Store(writer) => writer.write(bytes).await.map_err(storage),
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

    /// The file is complete.
    pub async fn finish(self) -> Result<(), UseCaseError> {
        let Self {
            upload,
            part,
            file_name,
            sink,
        } = self;
        match sink {
            Sink::Memory(bytes) => upload.license = Some(LicenseBytes { file_name, bytes }),
            Sink::Store(writer) => {
                let stored = writer.finish(None, None).await.map_err(storage)?;
                let received = Received { file_name, stored };
                match part {
                    Part::Package => upload.package = Some(received),
                    Part::Dependency | Part::License => upload.dependencies.push(received),
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

fn look_into(file: File) -> Result<PackageFile, PackageError> {
    qm_package::inspect(file, &Limits::default())
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
/// Frameworks of all architectures of the largest apps are some thirty files.
const MAX_DEPENDENCIES: usize = 200;
