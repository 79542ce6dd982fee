//! The store as a whole: what is written, what survives, what is left behind.

use crate::{ContentError, ContentStore, LocationError, Stored};
use bytes::Bytes;
use futures_util::TryStreamExt;
use qm_core::{Sha256, Timestamp};
use sha2::Digest;
use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::pin,
};
use tempfile::TempDir;

async fn store() -> (ContentStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = ContentStore::open(folder.path().join("content")).await.unwrap();
    (store, folder)
}

async fn put(store: &ContentStore, bytes: &[u8]) -> Stored {
    let mut writer = store.writer().await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.finish(None, None).await.unwrap()
}

async fn get(store: &ContentStore, sha256: &Sha256, range: std::ops::Range<u64>) -> Vec<u8> {
    let content = store.reader(sha256).await.unwrap().unwrap();
    let chunks: Vec<Bytes> = content.stream(range).try_collect().await.unwrap();
    chunks.concat()
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// More than two chunks, no two alike.
fn sample() -> Vec<u8> {
    (0..600_000_u32)
        .map(|n| (n ^ (n >> 8)).to_le_bytes()[0])
        .collect()
}

#[tokio::test]
async fn stores_and_serves_content() {
    let (store, _folder) = store().await;
    let bytes = sample();
    let mut writer = store.writer().await.unwrap();
    for piece in bytes.chunks(7_777) {
        writer.write(piece).await.unwrap();
    }
    assert_eq!(writer.size(), 600_000);
    let stored = writer.finish(Some(digest(&bytes)), Some(600_000)).await.unwrap();
    assert_eq!(
        stored,
        Stored {
            sha256: digest(&bytes),
            size: 600_000
        }
    );
    assert_eq!(store.size(&stored.sha256).await.unwrap(), Some(600_000));
    assert_eq!(get(&store, &stored.sha256, 0..u64::MAX).await, bytes);
    assert_eq!(
        get(&store, &stored.sha256, 262_100..524_300).await,
        &bytes[262_100..524_300]
    );
    assert!(get(&store, &stored.sha256, 600_000..600_010).await.is_empty());
    assert_eq!(std::fs::read(store.path(&stored.sha256)).unwrap(), bytes);
}

#[tokio::test]
async fn chunks_are_bounded() {
    let (store, _folder) = store().await;
    let stored = put(&store, &sample()).await;
    let content = store.reader(&stored.sha256).await.unwrap().unwrap();
    let chunks: Vec<Bytes> = content.stream(0..600_000).try_collect().await.unwrap();
    let sizes: Vec<_> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(sizes, [262_144, 262_144, 75_712]);
}

#[tokio::test]
async fn empty_content_is_content() {
    let (store, _folder) = store().await;
    let stored = put(&store, b"").await;
    assert_eq!(stored.sha256, digest(b""));
    assert!(get(&store, &stored.sha256, 0..0).await.is_empty());
}

#[tokio::test]
async fn content_that_is_not_there_is_none() {
    let (store, _folder) = store().await;
    let sha256 = digest(b"nothing");
    assert!(store.reader(&sha256).await.unwrap().is_none());
    assert_eq!(store.size(&sha256).await.unwrap(), None);
    assert!(!store.contains(&sha256).await.unwrap());
    assert!(!store.delete(&sha256).await.unwrap());
}

#[tokio::test]
async fn content_other_than_announced_is_not_stored() {
    let (store, folder) = store().await;
    for (sha256, size) in [(Some(digest(b"other")), None), (None, Some(5))] {
        let mut writer = store.writer().await.unwrap();
        writer.write(b"this").await.unwrap();
        let error = writer.finish(sha256, size).await.unwrap_err();
        assert!(matches!(
            error,
            ContentError::Digest { .. }
                | ContentError::Size {
                    expected: 5,
                    actual: 4
                }
        ));
    }
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing_behind() {
    let (store, folder) = store().await;
    let mut writer = store.writer().await.unwrap();
    writer.write(&sample()).await.unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    drop(writer);
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn complete_content_is_stored_when_it_is_wanted_and_leaves_nothing_otherwise() {
    let (store, folder) = store().await;
    for wanted in [false, true] {
        let mut writer = store.writer().await.unwrap();
        writer.write(&sample()).await.unwrap();
        let complete = writer.complete(None, None).await.unwrap();
        let stored = complete.stored();
        assert_eq!((stored.sha256, stored.size), (digest(&sample()), 600_000));
        assert!(!store.contains(&stored.sha256).await.unwrap());
        if wanted {
            assert_eq!(complete.store().await.unwrap(), stored);
        } else {
            drop(complete);
            assert!(files(folder.path()).is_empty());
        }
    }
    assert_eq!(get(&store, &digest(&sample()), 0..600_000).await, sample());
}

#[tokio::test]
async fn a_write_that_was_given_up_spoils_the_writer() {
    let (store, folder) = store().await;
    let mut writer = store.writer().await.unwrap();
    let bytes = vec![1; 8 << 20];
    tokio::select! {
        biased;
        _ = writer.write(&bytes) => panic!("eight megabytes went without a wait"),
        () = std::future::ready(()) => {}
    }
    let error = writer.finish(None, None).await.unwrap_err();
    assert!(matches!(error, ContentError::Interrupted));
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_and_live_uploads_are_not() {
    let (store, folder) = store().await;
    let root = folder.path().join("content");
    let stored = put(&store, b"kept").await;
    std::fs::write(root.join("tmp/4711-0"), b"half a pack").unwrap();
    let mut writer = store.writer().await.unwrap();
    writer.write(&sample()).await.unwrap();

    let second = ContentStore::open(&root).await.unwrap();
    assert!(!root.join("tmp/4711-0").exists());
    assert!(second.contains(&stored.sha256).await.unwrap());
    let late = writer.finish(None, None).await.unwrap();
    assert_eq!(get(&second, &late.sha256, 0..600_000).await, sample());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_content_may_be_written_many_times_at_once() {
    let (store, folder) = store().await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, &sample()).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().sha256, digest(&sample()));
    }
    assert_eq!(files(folder.path()), [store.path(&digest(&sample()))]);
    assert_eq!(get(&store, &digest(&sample()), 0..600_000).await, sample());
}

#[tokio::test]
async fn deleted_content_can_be_read_to_its_end_and_stored_again() {
    let (store, _folder) = store().await;
    let stored = put(&store, &sample()).await;
    let open = store.reader(&stored.sha256).await.unwrap().unwrap();
    assert!(store.delete(&stored.sha256).await.unwrap());
    assert!(!store.contains(&stored.sha256).await.unwrap());
    let chunks: Vec<Bytes> = open.stream(0..600_000).try_collect().await.unwrap();
    assert_eq!(chunks.concat(), sample());
    assert_eq!(put(&store, &sample()).await, stored);
}

#[tokio::test]
async fn the_memory_of_chunks_that_were_let_go_serves_again() {
    let (store, _folder) = store().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    let stored = put(&store, &bytes).await;
    let mut places = BTreeSet::new();
    for _ in 0..2 {
        let content = store.reader(&stored.sha256).await.unwrap().unwrap();
        let mut chunks = pin!(content.stream(0..3_000_000));
        let (mut held, mut read) = (Bytes::new(), Vec::new());
        while let Some(chunk) = chunks.try_next().await.unwrap() {
            places.insert(chunk.as_ptr());
            read.extend_from_slice(&chunk);
            // As a connection does: the chunk before goes when the next one comes.
            held = chunk;
        }
        assert!(!held.is_empty() && read == bytes);
    }
    assert!(places.len() <= 3, "{} places for 24 chunks", places.len());
}

#[tokio::test]
async fn content_that_shrank_on_disk_is_an_error_not_a_short_answer() {
    let (store, _folder) = store().await;
    let stored = put(&store, &sample()).await;
    let open = store.reader(&stored.sha256).await.unwrap().unwrap();
    std::fs::write(store.path(&stored.sha256), b"short").unwrap();
    let result: Result<Vec<Bytes>, _> = open.stream(0..600_000).try_collect().await;
    assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn files_are_for_the_server_alone() {
    let (store, _folder) = store().await;
    let stored = put(&store, b"private").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = store.path(&stored.sha256);
    let shelf = path.parent().unwrap();
    assert_eq!(
        (mode(&path), mode(shelf), mode(shelf.parent().unwrap())),
        (0o600, 0o700, 0o700)
    );
    assert_eq!(shelf.file_name().unwrap().len(), 2);
}

#[tokio::test]
async fn a_download_goes_on_after_a_restart() {
    let (store, folder) = store().await;
    let bytes = sample();
    let mut partial = store.partial("package 1").await.unwrap();
    assert_eq!((partial.size(), partial.validator()), (0, None));
    partial.restart(Some("\"v1\"")).await.unwrap();
    partial.write(&bytes[..300_000]).await.unwrap();
    partial.checkpoint().await.unwrap();
    // What comes after the last checkpoint does not count.
    partial.write(&bytes[..290_000]).await.unwrap();
    drop(partial);

    let again = ContentStore::open(folder.path().join("content")).await.unwrap();
    let mut partial = again.partial("package 1").await.unwrap();
    assert_eq!((partial.size(), partial.validator()), (300_000, Some("\"v1\"")));
    partial.write(&bytes[300_000..]).await.unwrap();
    let stored = partial.finish(Some(digest(&bytes)), Some(600_000)).await.unwrap();
    assert_eq!(get(&again, &stored.sha256, 0..600_000).await, bytes);
    assert_eq!(files(folder.path()), [again.path(&stored.sha256)]);
}

#[tokio::test]
async fn another_response_starts_the_download_again() {
    let (store, _folder) = store().await;
    let mut partial = store.partial("package 1").await.unwrap();
    partial.write(b"old bytes").await.unwrap();
    partial.checkpoint().await.unwrap();
    partial.restart(Some("\"v2\"")).await.unwrap();
    assert_eq!(partial.size(), 0);
    partial.write(b"new").await.unwrap();
    assert_eq!(partial.finish(None, None).await.unwrap().sha256, digest(b"new"));
}

#[tokio::test]
async fn a_download_is_continued_by_one_at_a_time() {
    let (store, _folder) = store().await;
    let first = store.partial("package 1").await.unwrap();
    assert!(
        matches!(store.partial("package 1").await, Err(ContentError::Busy { key }) if key == "package 1")
    );
    assert!(store.partial("package 2").await.is_ok());
    drop(first);
    assert!(store.partial("package 1").await.is_ok());
}

#[tokio::test]
async fn a_download_with_a_torn_note_starts_again() {
    let (store, folder) = store().await;
    let mut partial = store.partial("package 1").await.unwrap();
    partial.write(b"some bytes").await.unwrap();
    partial.checkpoint().await.unwrap();
    drop(partial);
    let note = files(folder.path())
        .into_iter()
        .find(|path| path.extension().is_some())
        .unwrap();
    for text in ["", "10", "10\n", "x\n\n", "99\n\n"] {
        std::fs::write(&note, text).unwrap();
        let partial = store.partial("package 1").await.unwrap();
        assert_eq!(partial.size(), 0, "{text:?}");
    }
}

#[tokio::test]
async fn a_download_of_wrong_content_is_thrown_away() {
    let (store, folder) = store().await;
    let mut partial = store.partial("package 1").await.unwrap();
    partial.write(b"wrong").await.unwrap();
    partial.checkpoint().await.unwrap();
    assert!(partial.finish(Some(digest(b"right")), None).await.is_err());
    assert!(files(folder.path()).is_empty());
    store.partial("package 1").await.unwrap().discard().await.unwrap();
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn forgotten_downloads_are_pruned_and_live_ones_are_not() {
    let (store, folder) = store().await;
    for key in ["forgotten", "live"] {
        let mut partial = store.partial(key).await.unwrap();
        partial.write(b"bytes").await.unwrap();
        partial.checkpoint().await.unwrap();
    }
    let live = store.partial("live").await.unwrap();
    assert_eq!(store.prune_partials(Timestamp::from_millis(0)).await.unwrap(), 0);
    let future = Timestamp::from_millis(4_000_000_000_000);
    assert_eq!(store.prune_partials(future).await.unwrap(), 1);
    assert_eq!(live.size(), 5);
    drop(live);
    assert_eq!(store.partial("live").await.unwrap().size(), 5);
    assert_eq!(store.partial("forgotten").await.unwrap().size(), 0);
    assert!(!files(folder.path()).is_empty());
}

#[tokio::test]
async fn opens_what_the_setting_names() {
    let folder = tempfile::tempdir().unwrap();
    let store = ContentStore::from_url("file:content", folder.path())
        .await
        .unwrap();
    assert!(
        store
            .path(&digest(b""))
            .starts_with(folder.path().join("content"))
    );
    let error = ContentStore::from_url("s3://bucket/prefix", folder.path())
        .await
        .unwrap_err();
    assert!(matches!(error, ContentError::Location(LocationError::Scheme { scheme }) if scheme == "s3"));
}
