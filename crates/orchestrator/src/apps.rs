//! The catalogue and the seat ledger, as administrators see them.

use crate::{Orchestrator, UseCaseError, tokens::sought};
use qm_content::Content;
use qm_core::{
    AppId, Page, PageRequest,
    app::{App, LicenseKind, Package},
    seat::Seat,
};
use qm_db::{Conn, apps, apps::AppFilter, packages, seats, seats::SeatFilter};
use std::io::Read as _;

/// An app with its packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppDetail {
    /// The app.
    pub app: App,
    /// Its packages and frameworks, oldest first.
    pub packages: Vec<Package>,
    /// Where its icon is, if it has one.
    pub icon_url: Option<String>,
}

/// An icon, of a kind that browsers show as an image and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Orchestrator {
    /// The apps that match, newest first.
    pub async fn apps(
        &self,
        license: Option<&str>,
        q: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<AppDetail>, UseCaseError> {
        let license = license.map(str::parse::<LicenseKind>).transpose();
        let license = license.map_err(|error| UseCaseError::invalid("license", error.to_string()))?;
        let filter = AppFilter {
            license,
            q: sought("q", q)?,
        };
        let mut conn = self.db.read().await?;
        let found = apps::list(&mut conn, &filter, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for app in found.items {
            items.push(self.detail(&mut conn, app).await?);
        }
        Ok(Page {
            items,
            next: found.next,
        })
    }

    /// One app.
    pub async fn app(&self, id: AppId) -> Result<AppDetail, UseCaseError> {
        let mut conn = self.db.read().await?;
        let app = apps::find(&mut conn, id)
            .await?
            .ok_or_else(|| UseCaseError::not_found("app", id))?;
        self.detail(&mut conn, app).await
    }

    /// The icon of an app. There is none where the app has none or the file is no image that is safe to show.
    pub async fn app_icon(&self, id: AppId) -> Result<Icon, UseCaseError> {
        let none = || UseCaseError::not_found("icon of the app", id);
        let app = apps::find(&mut self.db.read().await?, id).await?;
        let digest = app
            .ok_or_else(|| UseCaseError::not_found("app", id))?
            .icon
            .ok_or_else(none)?;
        let content = self
            .content
            .reader(&digest)
            .await
            .map_err(|error| UseCaseError::Internal(error.to_string()))?;
        let content = content
            .filter(|content| content.size() <= MAX_ICON)
            .ok_or_else(none)?;
        let bytes = read(content).await?;
        let media_type = media_type(&bytes).ok_or_else(none)?;
        Ok(Icon { media_type, bytes })
    }

    /// Who holds a seat of which app, and why; newest first.
    pub async fn seats(
        &self,
        app_id: Option<AppId>,
        upn: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<Seat>, UseCaseError> {
        let upn = sought("upn", upn)?.map(|upn| upn.to_lowercase());
        Ok(seats::list(&mut self.db.read().await?, &SeatFilter { app_id, upn }, page).await?)
    }

    async fn detail(&self, conn: &mut Conn, app: App) -> Result<AppDetail, UseCaseError> {
        let packages = packages::list_for_app(conn, app.id).await?;
        let icon_url = app
            .icon
            .map(|_| format!("{}/api/v1/apps/{}/icon", self.settings.admin_url, app.id));
        Ok(AppDetail {
            app,
            packages,
            icon_url,
        })
    }
}

async fn read(content: Content) -> Result<Vec<u8>, UseCaseError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        content
            .into_file()
            .take(MAX_ICON)
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    });
    let bytes = read
        .await
        .map_err(|error| UseCaseError::Internal(error.to_string()))?;
    bytes.map_err(|error| UseCaseError::Internal(format!("an icon could not be read: {error}")))
}

/// Told by the first bytes, whatever the source said. SVG is left out: it can carry scripts.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Larger files are no icons.
const MAX_ICON: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0..", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"GIF87a..", Some("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
            (b"<?xml version='1.0'?><svg/>", None),
            (b"<html>", None),
            (b"\x89PNG", None),
            (b"", None),
        ] {
            assert_eq!(media_type(bytes), expected, "{bytes:?}");
        }
    }
}
