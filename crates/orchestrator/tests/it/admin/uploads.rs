//! Uploads, from their files to the catalogue.

use super::server::{UPLOAD_LIMIT, field, send, server, servers};
use qm_core::{
    Architecture, PageRequest,
    app::{AppSource, LicenseKind, PackageRole},
};
use qm_orchestrator::{UseCaseError, apps::AppDetail, uploads::Part};
use qm_store_sim::appx::{PackageSpec, RuntimeNeed};

/// What a file is, its name and content.
type File<'a> = (Part, &'a str, &'a [u8]);

const PUBLISHER: &str = "CN=Larch Works, O=Larch Works, C=FI";

/// A package; the runtimes it needs are the publisher's own.
fn spec(name: &str, version: &str, needs: &[(&str, &str)]) -> PackageSpec {
    let need = |(name, min): &(&str, &str)| RuntimeNeed {
        name: (*name).to_owned(),
        publisher: PUBLISHER.to_owned(),
        min_version: min.parse().unwrap(),
    };
    PackageSpec {
        display_name: format!("{name} for you"),
        publisher_display_name: "Larch".to_owned(),
        needs: needs.iter().map(need).collect(),
        payload: 2_000,
        ..PackageSpec::app(name, PUBLISHER, version.parse().unwrap(), Architecture::X64)
    }
}

fn package(name: &str, version: &str, needs: &[(&str, &str)]) -> Vec<u8> {
    spec(name, version, needs).build().unwrap()
}

fn framework(name: &str, version: &str, needs: &[(&str, &str)]) -> Vec<u8> {
    let framework = PackageSpec {
        framework: true,
        ..spec(name, version, needs)
    };
    framework.build().unwrap()
}

fn license(content_id: &str, family: &str) -> Vec<u8> {
    format!(
        "<License xmlns='urn:schemas-microsoft-com:windows:store:licensing:ls' ContentID='{content_id}' Version='3'>\
         <Binding Binding_Type='Machine'><PFM>{family}</PFM></Binding></License>"
    )
    .into_bytes()
}

fn refused_file(result: Result<AppDetail, UseCaseError>) -> String {
    match result {
        Err(UseCaseError::Package { file, .. }) => file,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_upload_becomes_an_app_with_its_frameworks() {
    for server in servers().await {
        let main = package(
            "Larch.Notes",
            "2.0.0.0",
            &[("Larch.Ui", "1.0.0.0"), ("Larch.Far", "1.0.0.0")],
        );
        let (ui, core) = (
            framework("Larch.Ui", "1.2.0.0", &[("Larch.Core", "1.0.0.0")]),
            framework("Larch.Core", "3.0.0.0", &[]),
        );
        let detail = server
            .upload(&[
                (Part::Package, "Notes 2.MSIX", &main),
                (Part::Dependency, "ui.appx", &ui),
                (Part::Dependency, "core.appx", &core),
                (Part::Dependency, "core again.appx", &core),
            ])
            .await
            .unwrap();
        let app = &detail.app;
        assert_eq!(
            (app.name.as_str(), app.publisher.as_deref()),
            ("Larch.Notes for you", Some("Larch"))
        );
        assert_eq!(
            (app.source, app.license),
            (AppSource::Upload, LicenseKind::None),
            "{}",
            server.engine
        );
        assert_eq!(detail.packages.len(), 3);
        let find = |name: &str| {
            detail
                .packages
                .iter()
                .find(|p| p.full_name.starts_with(name))
                .unwrap()
        };
        let (notes, ui, core) = (find("Larch.Notes_"), find("Larch.Ui_"), find("Larch.Core_"));
        assert_eq!((notes.role, ui.role), (PackageRole::Main, PackageRole::Framework));
        assert_eq!(
            (notes.file_name.as_str(), ui.file_name.as_str()),
            ("Notes_2.msix", "ui.appx")
        );
        assert_eq!(
            (notes.size, notes.architectures.as_slice()),
            (i64::try_from(main.len()).unwrap(), &[Architecture::X64][..])
        );
        assert_eq!(notes.families[0].name, "Windows.Desktop");
        let mut linked = notes.frameworks.clone();
        linked.sort_unstable();
        let mut both = vec![ui.id, core.id];
        both.sort_unstable();
        assert_eq!((linked, ui.frameworks.clone()), (both, vec![core.id]));
        assert_eq!(
            server.content.size(&notes.sha256.unwrap()).await.unwrap(),
            Some(main.len() as u64)
        );
        assert_eq!(server.orchestrator.app(app.id).await.unwrap(), detail);
        assert_eq!(
            server.trail().await,
            [("app.upload".to_owned(), app.id.to_string())]
        );
    }
}

#[tokio::test]
async fn another_version_joins_the_app_and_finds_its_frameworks() {
    for server in servers().await {
        let needs = [("Larch.Ui", "1.0.0.0")];
        let first = package("Larch.Notes", "2.0.0.0", &needs);
        let (ui, core) = (
            framework("Larch.Ui", "1.2.0.0", &[("Larch.Core", "1.0.0.0")]),
            framework("Larch.Core", "3.0.0.0", &[]),
        );
        let files = [
            (Part::Package, "n.msix", first.as_slice()),
            (Part::Dependency, "u.appx", &ui),
            (Part::Dependency, "c.appx", &core),
        ];
        let before = server.upload(&files).await.unwrap();
        let second = package("Larch.Notes", "2.1.0.0", &needs);
        let after = server
            .upload(&[(Part::Package, "n.msix", &second)])
            .await
            .unwrap();
        assert_eq!(
            (after.app.id, after.packages.len()),
            (before.app.id, 4),
            "{}",
            server.engine
        );
        let newest = after
            .packages
            .iter()
            .find(|p| p.full_name.starts_with("Larch.Notes_2.1"))
            .unwrap();
        assert_eq!(
            newest.frameworks.len(),
            2,
            "what the framework needs itself comes along"
        );

        let again = server
            .upload(&[(Part::Package, "other name.appx", &second)])
            .await
            .unwrap();
        assert_eq!(again.packages.len(), 4);
        let rebuilt = PackageSpec {
            payload: 2_500,
            ..spec("Larch.Notes", "2.1.0.0", &needs)
        };
        let rebuilt = rebuilt.build().unwrap();
        let refused = server.upload(&[(Part::Package, "n.msix", &rebuilt)]).await;
        assert!(
            matches!(&refused, Err(UseCaseError::Conflict(problem)) if problem.contains("version")),
            "{refused:?}"
        );
        let digest = qm_pki::fingerprint(&rebuilt);
        assert!(!server.content.contains(&digest).await.unwrap(), "it is not kept");
        assert_eq!(
            server.orchestrator.app(before.app.id).await.unwrap().packages,
            again.packages
        );
    }
}

#[tokio::test]
async fn a_license_makes_an_app_offline_for_good() {
    for server in servers().await {
        let first = package("Larch.Notes", "2.0.0.0", &[]);
        let before = server.upload(&[(Part::Package, "n.msix", &first)]).await.unwrap();
        assert_eq!(
            (before.app.license, &before.packages[0].content_id),
            (LicenseKind::None, &None)
        );
        let family = before.app.package_family_name.clone().unwrap();

        let second = package("Larch.Notes", "2.1.0.0", &[]);
        let stranger = license("c-9", "larch.maps_0000000000000");
        let files = [
            (Part::Package, "n.msix", second.as_slice()),
            (Part::License, "l.xml", &stranger),
        ];
        assert_eq!(refused_file(server.upload(&files).await), "l.xml");
        let right = license("c-1", &family.to_lowercase());
        let files = [
            (Part::Package, "n.msix", second.as_slice()),
            (Part::License, "l.xml", &right),
        ];
        let licensed = server.upload(&files).await.unwrap();
        let ids: Vec<_> = licensed
            .packages
            .iter()
            .map(|p| p.content_id.as_deref())
            .collect();
        assert_eq!(
            (licensed.app.license, ids),
            (LicenseKind::Offline, vec![Some("c-1"); 2]),
            "{}",
            server.engine
        );
        let stored = qm_db::licenses::find(&mut server.db.read().await.unwrap(), licensed.app.id, "c-1")
            .await
            .unwrap();
        assert!(!stored.unwrap().blob.expose().is_empty());

        let third = package("Larch.Notes", "2.2.0.0", &[]);
        let later = server.upload(&[(Part::Package, "n.msix", &third)]).await.unwrap();
        assert_eq!(later.app.license, LicenseKind::Offline);
        assert!(
            later
                .packages
                .iter()
                .all(|p| p.content_id.as_deref() == Some("c-1")),
            "{later:?}"
        );
    }
}

#[tokio::test]
async fn uploads_that_are_no_app_are_refused_by_file() {
    for server in servers().await {
        let main = package("Larch.Notes", "2.0.0.0", &[]);
        let ui = framework("Larch.Ui", "1.2.0.0", &[]);
        let other = package("Larch.Maps", "1.0.0.0", &[]);
        let cases: [(&str, Vec<File<'_>>); 5] = [
            ("junk.msix", vec![(Part::Package, "junk.msix", b"no package")]),
            ("ui.appx", vec![(Part::Package, "ui.appx", &ui)]),
            (
                "maps.msix",
                vec![
                    (Part::Package, "n.msix", &main),
                    (Part::Dependency, "maps.msix", &other),
                ],
            ),
            (
                "d.appx",
                vec![
                    (Part::Package, "n.msix", &main),
                    (Part::Dependency, "d.appx", b"PK"),
                ],
            ),
            (
                "l.xml",
                vec![
                    (Part::Package, "n.msix", &main),
                    (Part::License, "l.xml", b"<Other/>"),
                ],
            ),
        ];
        for (file, files) in cases {
            assert_eq!(
                refused_file(server.upload(&files).await),
                file,
                "{}",
                server.engine
            );
        }
        for file in [&main, &ui, &other] {
            let digest = qm_pki::fingerprint(file);
            assert!(
                !server.content.contains(&digest).await.unwrap(),
                "nothing is kept"
            );
        }
        assert_eq!(
            field(server.upload(&[(Part::Dependency, "ui.appx", &ui)]).await),
            "package"
        );
        let twice = [
            (Part::Package, "a.msix", main.as_slice()),
            (Part::Package, "b.msix", &other),
        ];
        assert_eq!(field(server.upload(&twice).await), "package");
        let apps = server
            .orchestrator
            .apps(None, None, PageRequest::first(10))
            .await
            .unwrap();
        assert_eq!((apps.items.len(), server.trail().await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_package_that_was_changed_is_refused_with_the_reason_and_not_kept() {
    let db = qm_db::test_support::sqlite().await;
    let server = server("sqlite", db).await;
    let mut changed = package("Larch.Notes", "2.0.0.0", &[]);
    changed[1000] ^= 1;
    let cases: [(&[u8], &str); 3] = [
        (&changed, "was changed after the package was built"),
        (b"EXPH\x01\0\0\0", "encrypted package"),
        (&changed[..3_000], "incomplete"),
    ];
    for (bytes, reason) in cases {
        match server.upload(&[(Part::Package, "n.msix", bytes)]).await {
            Err(UseCaseError::Package { file, problem }) => {
                assert_eq!(file, "n.msix");
                assert!(problem.contains(reason), "{problem}");
            }
            other => panic!("{other:?}"),
        }
        let digest = qm_pki::fingerprint(bytes);
        assert!(!server.content.contains(&digest).await.unwrap(), "{reason}");
    }
}

#[tokio::test]
async fn all_parts_together_stay_below_the_limit() {
    let db = qm_db::test_support::sqlite().await;
    let server = server("sqlite", db).await;
    let half = vec![0; usize::try_from(UPLOAD_LIMIT / 2).unwrap()];
    let mut upload = server.orchestrator.begin_upload();
    // Given up half-way, it counts all the same.
    let mut given_up = upload.part(Part::Dependency, "a").await.unwrap();
    given_up.write(&half).await.unwrap();
    drop(given_up);
    send(&mut upload, Part::License, "b", &half).await.unwrap();
    let refused = send(&mut upload, Part::Package, "c", &[0]).await;
    assert!(
        matches!(refused, Err(UseCaseError::TooLarge { limit: UPLOAD_LIMIT })),
        "{refused:?}"
    );
}
