//! A content folder on a disk that fills up: a small file system of the server's own, in its own mount namespace.

use crate::site::{Form, Site, files};
use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// What the file system has; some of it an upload never takes.
const DISK: usize = 96 << 20;
/// What something else takes of it.
const FILLER: usize = 20 << 20;
const PACKAGE: usize = 12 << 20;

/// A program that runs the server with a file system of [`DISK`] bytes in place of its content folder.
fn boxed(folder: &Path) -> Result<PathBuf> {
    let (path, server) = (folder.join("boxed"), env!("CARGO_BIN_EXE_quartermaster"));
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = serve ] || exec '{server}' \"$@\"\n\
         content=$(dirname \"$3\")/content\n\
         mkdir -p \"$content\"\n\
         export content\n\
         exec unshare --user --map-root-user --mount sh -c \
         'mount -t tmpfs -o size={DISK} tmpfs \"$content\" && exec \"$0\" \"$@\"' '{server}' \"$@\"\n"
    );
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

/// Whether this machine lets us make file systems; some containers do not.
fn may_mount(folder: &Path) -> bool {
    let mount = format!("mount -t tmpfs -o size=4096 tmpfs '{}'", folder.display());
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// The server's content folder, past its mount namespace.
fn content(site: &Site) -> Result<PathBuf> {
    let id = site.server.id().context("it runs")?;
    let inside = site.content();
    Ok(Path::new("/proc")
        .join(id.to_string())
        .join("root")
        .join(inside.strip_prefix("/")?))
}

#[tokio::test]
async fn an_upload_without_room_is_507_leaves_nothing_and_works_once_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    if !may_mount(folder.path()) {
        eprintln!("left out: no file systems can be made here (unshare, mount)");
        return Ok(());
    }
    let site = Site::start_by(&boxed(folder.path())?.to_string_lossy()).await?;
    let form = Form::alone("Harborline.Ledger", PACKAGE)?;
    let content = content(&site)?;
    let filler = content.join("filler");
    fs::write(&filler, vec![0; FILLER])?;
    for _ in 0..2 {
        let answer = site.upload(&form).await?;
        let (status, problem) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::INSUFFICIENT_STORAGE, "{status}: {problem}");
        ensure!(problem.contains("room"), "{problem}");
        ensure!(files(&content)? == [filler.clone()], "{:?}", files(&content));
    }
    fs::remove_file(&filler)?;
    site.is_untouched(&content).await?;
    site.takes(&form, &content).await
}
