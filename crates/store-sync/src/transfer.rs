//! The download of one file: a fresh address right before it, resumed where it broke off, verified before it counts.

use crate::{StoreSync, SyncError};
use qm_content::{ContentError, Partial, Stored};
use qm_core::app::Package;
use qm_db::{packages, run};
use qm_package::{Limits, PackageError, verify};
use qm_store_client::{Download, DownloadError, ProductKey, Resume, StoreError, StorePackage, Validators};

/// What may still go wrong with a download before it is given up.
struct Patience {
    lapses: u32,
    breaks: u32,
    mismatches: u32,
}

impl StoreSync {
    /// Downloads a file of a main package (itself, or one of its frameworks) into the content store.
    pub(crate) async fn transfer(
        &self,
        key: &ProductKey,
        main: &Package,
        file: &Package,
    ) -> Result<(), SyncError> {
        let mut patience = Patience {
            lapses: 1,
            breaks: 3,
            mismatches: 1,
        };
        loop {
            let listed = self.listed(key, main, file).await?;
            if let Some(stored) = self.stored_already(&listed).await? {
                return self.settle(file, stored).await;
            }
            match self.attempt(file, &listed).await {
                Ok(stored) => {
                    self.check(file, &listed, stored).await?;
                    return self.settle(file, stored).await;
                }
                Err(error) if patience.allows(&error) => {
                    tracing::info!(package.id = %file.id, %error, "the download goes on with a fresh address");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The file as it is listed now, with a fresh address. Old ids are looked up in the whole list by name.
    async fn listed(
        &self,
        key: &ProductKey,
        main: &Package,
        file: &Package,
    ) -> Result<StorePackage, SyncError> {
        let id = main.store_package_id.as_deref().ok_or(SyncError::NotFromStore)?;
        let one = match self.client.package(key, id).await {
            Err(StoreError::Refused { fault, .. }) if fault.status == 400 => None,
            found => found?,
        };
        if let Some(found) = one.and_then(|package| find(vec![package], file)) {
            return Ok(found);
        }
        let all = self
            .client
            .packages(key)
            .await?
            .map(|set| set.packages)
            .unwrap_or_default();
        find(all, file).ok_or_else(|| SyncError::PackageGone(file.full_name.clone()))
    }

    /// The same bytes may have come with another app.
    async fn stored_already(&self, listed: &StorePackage) -> Result<Option<Stored>, SyncError> {
        let Some(sha256) = listed.sha256 else {
            return Ok(None);
        };
        let size = self
            .content
            .size(&sha256)
            .await?
            .filter(|size| listed.size.is_none_or(|told| told == *size));
        Ok(size.map(|size| Stored { sha256, size }))
    }

    async fn attempt(&self, file: &Package, listed: &StorePackage) -> Result<Stored, SyncError> {
        let address = listed
            .address
            .as_ref()
            .ok_or_else(|| SyncError::NoAddress(file.full_name.clone()))?;
        let expected = listed
            .size
            .or_else(|| u64::try_from(file.size).ok().filter(|size| *size > 0));
        let mut partial = self
            .content
            .partial(&format!("store {} {}", file.full_name, listed.package_id))
            .await?;
        if expected.is_none_or(|expected| partial.size() != expected) {
            let missing = expected.unwrap_or(0).saturating_sub(partial.size());
            self.content.check_room(missing).await?;
            let download = self
                .client
                .download(address.expose(), resume(&partial, expected).as_ref())
                .await;
            match download {
                Ok(download) => match receive(&mut partial, download, expected).await {
                    Ok(()) => {}
                    Err(error @ SyncError::Content(ContentError::Full { .. })) => {
                        // The database may be on the same disk and needs the room more.
                        partial.discard().await?;
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                },
                Err(error) => {
                    if error == DownloadError::CannotResume {
                        partial.restart(None).await?;
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(partial.finish(listed.sha256, expected).await?)
    }

    /// Verifies the file and compares what it says of itself with what was listed. Where the Store's hash vouches for the
    /// bytes, a fault is only noted: the Store knows its packages better than we do. An encrypted package says nothing.
    /// Content that is refused is not kept.
    async fn check(&self, file: &Package, listed: &StorePackage, stored: Stored) -> Result<(), SyncError> {
        let Some(content) = self.content.reader(&stored.sha256).await? else {
            return Ok(());
        };
        let opened = content.into_file();
        let read = tokio::task::spawn_blocking(move || verify(opened, &Limits::default())).await;
        let read = read.unwrap_or_else(|error| Err(PackageError::Io(std::io::Error::other(error))));
        let error = match read {
            Ok(found) if found.file.full_name.eq_ignore_ascii_case(&file.full_name) => return Ok(()),
            // Without a listed full name there is nothing to compare with.
            Ok(_) if listed.full_name.is_none() => return Ok(()),
            Ok(found) => SyncError::WrongPackage {
                expected: file.full_name.clone(),
                found: found.file.full_name,
            },
            Err(PackageError::EncryptedPackage { .. }) => return Ok(()),
            Err(error) if listed.sha256.is_some() && !matches!(error, PackageError::Io(_)) => {
                tracing::warn!(package.id = %file.id, %error, "the package looks odd; its hash is the Store's");
                return Ok(());
            }
            Err(source) => SyncError::Unreadable {
                full_name: file.full_name.clone(),
                source,
            },
        };
        self.discard(stored).await?;
        Err(error)
    }

    /// Removes content that nothing refers to.
    async fn discard(&self, stored: Stored) -> Result<(), SyncError> {
        let users = packages::find_by_sha(&mut self.db.read().await?, &stored.sha256).await?;
        if users.is_empty() {
            self.content.delete(&stored.sha256).await?;
        }
        Ok(())
    }

    async fn settle(&self, file: &Package, stored: Stored) -> Result<(), SyncError> {
        let content = (stored.sha256, i64::try_from(stored.size).unwrap_or(i64::MAX));
        let known = run!(self.db, "package.content", |tx| packages::set_content(
            tx,
            file.id,
            Some(content)
        )
        .await)?;
        if known {
            Ok(())
        } else {
            Err(SyncError::PackageGone(file.full_name.clone()))
        }
    }
}

impl Patience {
    fn allows(&mut self, error: &SyncError) -> bool {
        let left = match error {
            SyncError::Download(DownloadError::AddressExpired(_)) => &mut self.lapses,
            SyncError::Download(DownloadError::Broken(_) | DownloadError::CannotResume) => &mut self.breaks,
            SyncError::Content(ContentError::Digest { .. } | ContentError::Size { .. }) => {
                &mut self.mismatches
            }
            _ => return false,
        };
        let more = *left > 0;
        *left = left.saturating_sub(1);
        more
    }
}

/// Writes what arrives behind what is there. Where the connection breaks, what came so far is kept.
async fn receive(
    partial: &mut Partial,
    mut download: Download,
    expected: Option<u64>,
) -> Result<(), SyncError> {
    let validators = &download.validators;
    if download.offset != partial.size() || download.offset == 0 {
        partial
            .restart(validators.etag.as_deref().or(validators.last_modified.as_deref()))
            .await?;
    }
    let limit = expected.unwrap_or(MAX_PACKAGE);
    if let Some(total) = download
        .total
        .filter(|total| *total > limit || expected.is_some_and(|size| size != *total))
    {
        return Err(ContentError::Size {
            expected: limit,
            actual: total,
        }
        .into());
    }
    loop {
        match download.chunk().await {
            Ok(Some(bytes)) => {
                let size = partial.size() + bytes.len() as u64;
                if size > limit {
                    partial.restart(None).await?;
                    return Err(ContentError::Size {
                        expected: limit,
                        actual: size,
                    }
                    .into());
                }
                partial.write(&bytes).await?;
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                partial.checkpoint().await?;
                return Err(error.into());
            }
        }
    }
}

/// Where to go on; `None` where there is nothing yet, or nothing that tells whether it is the same file.
fn resume(partial: &Partial, expected: Option<u64>) -> Option<Resume> {
    let validator = partial.validator().filter(|_| partial.size() > 0)?;
    let is_etag = validator.starts_with('"');
    let validators = Validators {
        etag: is_etag.then(|| validator.to_owned()),
        last_modified: (!is_etag).then(|| validator.to_owned()),
    };
    Some(Resume {
        offset: partial.size(),
        total: expected,
        validators,
    })
}

/// The file among packages and their frameworks: by its id, else by its name.
fn find(listed: Vec<StorePackage>, file: &Package) -> Option<StorePackage> {
    let mut all: Vec<_> = listed
        .into_iter()
        .flat_map(|mut package| {
            let frameworks = std::mem::take(&mut package.frameworks);
            std::iter::once(package).chain(frameworks)
        })
        .collect();
    let by_id = |one: &StorePackage| Some(&one.package_id) == file.store_package_id.as_ref();
    let by_name = |one: &StorePackage| one.full_name.as_ref() == Some(&file.full_name);
    let place = all
        .iter()
        .position(by_id)
        .or_else(|| all.iter().position(by_name))?;
    Some(all.swap_remove(place))
}

/// Bytes of a package whose size the Store does not tell.
const MAX_PACKAGE: u64 = 16 << 30;
