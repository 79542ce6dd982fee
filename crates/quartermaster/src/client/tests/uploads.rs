use super::{
    ask,
    fake::{Fake, Seen, empty, ok, problem},
};
use crate::client::ClientError;
use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request},
};
use http::header;
use serde_json::json;
use std::{fs, path::Path};

/// More than any buffer on the way.
const LARGE: usize = 6 << 20;

fn package(folder: &Path) -> Vec<u8> {
    let bytes: Vec<u8> = (0..LARGE).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect();
    fs::write(folder.join("Notes.MsixBundle"), &bytes).unwrap();
    fs::write(folder.join("runtime.appx"), "runtime").unwrap();
    fs::write(folder.join("library.appx"), "library").unwrap();
    fs::write(folder.join("notes.xml"), "<License/>").unwrap();
    bytes
}

fn line(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    format!(
        "apps upload {} --dependency {} --dependency {} --license {}",
        file("Notes.MsixBundle"),
        file("runtime.appx"),
        file("library.appx"),
        file("notes.xml")
    )
}

/// Name, file name, media type and content of every part.
async fn parts(seen: Seen) -> Vec<(String, String, String, Vec<u8>)> {
    let request = Request::post("/").header(header::CONTENT_TYPE, &seen.headers[header::CONTENT_TYPE]);
    let mut request = request.body(Body::from(seen.body)).unwrap();
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.unwrap();
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let names = (
            text(field.name()),
            text(field.file_name()),
            text(field.content_type()),
        );
        parts.push((names.0, names.1, names.2, field.bytes().await.unwrap().to_vec()));
    }
    parts
}

#[tokio::test]
async fn sends_all_files_whole_with_names_and_media_types() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = package(folder.path());
    let app = json!({
        "id": "0190b6a0-0000-7000-8000-0000000000aa", "name": "Notes", "publisher": null, "source": "upload",
        "license": "offline", "store": null, "package_family_name": null, "seats": null, "packages": [],
        "icon_url": null, "state": "available",
    });
    let fake = Fake::with([ok(&app)]).await;
    let shown = ask(&fake.url, &line(folder.path())).await.unwrap();
    assert!(shown.data.unwrap().contains("License      offline"));
    let seen = fake.seen().remove(0);
    assert_eq!(seen.request, "POST /api/v1/apps/packages");
    assert_eq!(
        seen.headers[header::CONTENT_LENGTH],
        seen.body.len().to_string(),
        "the length is known beforehand"
    );
    let parts = parts(seen).await;
    let expected = [
        ("license", "notes.xml", "application/xml", b"<License/>".to_vec()),
        (
            "dependency",
            "runtime.appx",
            "application/appx",
            b"runtime".to_vec(),
        ),
        (
            "dependency",
            "library.appx",
            "application/appx",
            b"library".to_vec(),
        ),
        ("package", "Notes.MsixBundle", "application/msixbundle", bytes),
    ];
    assert_eq!(parts.len(), expected.len());
    for (part, (name, file_name, media_type, content)) in parts.into_iter().zip(expected) {
        assert_eq!(
            (part.0.as_str(), part.1.as_str(), part.2.as_str()),
            (name, file_name, media_type)
        );
        assert!(part.3 == content, "{file_name} arrives as it was");
    }
}

#[tokio::test]
async fn a_missing_file_stops_the_upload_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path());
    fs::remove_file(folder.path().join("library.appx")).unwrap();
    let fake = Fake::with([empty(500)]).await;
    let error = ask(&fake.url, &line(folder.path())).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::File { file, .. } if file.ends_with("library.appx")),
        "{error}"
    );
    assert_eq!(error.exit_code(), 1);
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_folder_is_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::with([]).await;
    let error = ask(&fake.url, &format!("apps upload {}", folder.path().display()))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_package_is_told_in_the_servers_words() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path());
    let fake = Fake::with([problem(
        422,
        "Unprocessable Content",
        "Notes.MsixBundle holds no manifest",
    )])
    .await;
    let error = ask(&fake.url, &line(folder.path())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Unprocessable Content: Notes.MsixBundle holds no manifest"
    );
}
