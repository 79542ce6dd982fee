//! The catalogue and the seat ledger.

use super::server::{NOW, field, is_missing, servers};
use qm_core::{AppId, PageRequest, app::LicenseKind, seat::SeatState};
use qm_orchestrator::UseCaseError;

#[tokio::test]
async fn apps_are_filtered_and_have_icons_that_are_safe() {
    for server in servers().await {
        let (notes, maps) = (
            server.app("Notes", LicenseKind::Online).await,
            server.app("Maps", LicenseKind::Offline).await,
        );
        let page = PageRequest::first(10);
        let list = async |license, q| {
            let apps = server.orchestrator.apps(license, q, page).await?;
            Ok::<_, UseCaseError>(apps.items.iter().map(|detail| detail.app.id).collect::<Vec<_>>())
        };
        assert_eq!(
            list(Some("online"), None).await.unwrap(),
            [notes.id],
            "{}",
            server.engine
        );
        assert_eq!(list(None, Some("mAp")).await.unwrap(), [maps.id]);
        assert_eq!(field(list(Some("shareware"), None).await), "license");

        assert!(is_missing(server.orchestrator.app_icon(notes.id).await));
        for (app, bytes, shown) in [
            (&notes, &b"\x89PNG\r\n\x1a\nrest"[..], Some("image/png")),
            (&maps, b"<svg onload='x'/>", None),
        ] {
            let mut writer = server.content.writer().await.unwrap();
            writer.write(bytes).await.unwrap();
            let stored = writer.finish(None, None).await.unwrap();
            let mut tx = server.db.begin("test").await.unwrap();
            qm_db::apps::set_icon(&mut tx, app.id, &stored.sha256, NOW)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let icon = server.orchestrator.app_icon(app.id).await;
            match shown {
                Some(media_type) => {
                    let icon = icon.unwrap();
                    assert_eq!((icon.media_type, icon.bytes.as_slice()), (media_type, bytes));
                }
                None => assert!(is_missing(icon)),
            }
        }
        let url = server.orchestrator.app(notes.id).await.unwrap().icon_url.unwrap();
        assert_eq!(
            url,
            format!("https://mdm.example.com:9443/api/v1/apps/{}/icon", notes.id)
        );
        assert!(is_missing(
            server.orchestrator.app(AppId::new(NOW, &server.rng)).await
        ));
    }
}

#[tokio::test]
async fn the_seat_ledger_is_read_by_app_and_user() {
    for server in servers().await {
        let (notes, maps) = (
            server.app("Notes", LicenseKind::Online).await,
            server.app("Maps", LicenseKind::Online).await,
        );
        let seat = server
            .seat(&notes, "ada@example.com", SeatState::Assigned, &[])
            .await;
        let other = server
            .seat(&maps, "bob@example.com", SeatState::Assigning, &[])
            .await;
        let list = async |app, upn| {
            let seats = server
                .orchestrator
                .seats(app, upn, PageRequest::first(10))
                .await
                .unwrap();
            seats.items.iter().map(|seat| seat.id).collect::<Vec<_>>()
        };
        assert_eq!(list(Some(notes.id), None).await, [seat], "{}", server.engine);
        assert_eq!(list(None, Some(" BOB@example.com")).await, [other]);
        assert_eq!(list(Some(notes.id), Some("bob@example.com")).await, []);
    }
}
