//! Artwork: one picture of each app, in the content store.

use crate::{StoreSync, SyncError};
use qm_content::{ContentError, Stored};
use qm_core::{Sha256, app::App};
use qm_db::{apps, run};
use qm_store_client::{LocalizedDetails, ProductImage};

impl StoreSync {
    /// Stores the app's icon. A picture that cannot be had is no failure: apps do without.
    pub(crate) async fn keep_icon(
        &self,
        app: &App,
        localized: &LocalizedDetails,
    ) -> Result<Option<Sha256>, SyncError> {
        let Some(image) = choose(&localized.images) else {
            return Ok(None);
        };
        let image = match self.client.image(&image.location).await {
            Ok(image) => image,
            Err(error) => {
                tracing::debug!(app.id = %app.id, %error, "no icon from the Store");
                return Ok(None);
            }
        };
        let stored = match self.keep_picture(&image.bytes).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(app.id = %app.id, %error, "the app's icon could not be stored");
                return Ok(None);
            }
        };
        if app.icon != Some(stored.sha256) {
            let now = self.clock.now();
            run!(self.db, "app.icon", |tx| apps::set_icon(
                tx,
                app.id,
                &stored.sha256,
                now
            )
            .await)?;
        }
        Ok(Some(stored.sha256))
    }

    async fn keep_picture(&self, bytes: &[u8]) -> Result<Stored, ContentError> {
        let mut writer = self.content.writer().await?;
        writer.write(bytes).await?;
        writer.finish(None, None).await
    }
}

/// The logo nearest to the size that lists show; screenshots never.
fn choose(images: &[ProductImage]) -> Option<&ProductImage> {
    images.iter().filter(|image| is_logo(image)).min_by_key(|image| {
        let (width, height) = (image.width.unwrap_or(0), image.height.unwrap_or(0));
        (width != height, width.abs_diff(BEST))
    })
}

fn is_logo(image: &ProductImage) -> bool {
    let purpose = image.purpose.as_deref().unwrap_or_default().to_ascii_lowercase();
    ["logo", "icon", "tile"].iter().any(|word| purpose.contains(word))
}

/// Pixels.
const BEST: i64 = 150;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_a_square_logo_of_a_fitting_size() {
        let image = |purpose: &str, width: i64, height: i64| ProductImage {
            location: format!("https://images.example/{purpose}-{width}"),
            purpose: Some(purpose.to_owned()),
            height: Some(height),
            width: Some(width),
            background: None,
            size: None,
        };
        let images = [
            image("screenshot", 150, 150),
            image("Logo", 300, 300),
            image("logo", 160, 160),
            image("logo", 150, 300),
        ];
        assert_eq!(choose(&images), Some(&images[2]));
        assert_eq!(choose(&images[..1]), None);
    }
}
