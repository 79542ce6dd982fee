//! Clients that go away and servers that are killed in the middle of an upload.

use crate::site::{Form, Site, eventually, files};
use anyhow::{Result, ensure};

/// A package and a framework: half of the form is the whole package, checked and waiting for the rest.
const SIZE: usize = 1 << 20;

/// Hundredths of the form that arrive, and all of it but its end.
fn places(form: &Form) -> [usize; 5] {
    let [first, half, most] = [1, 50, 99].map(|hundredths| form.share(hundredths));
    [first, half, half + 10_000, most, form.bytes.len() - 4]
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_works_afterwards() -> Result<()> {
    let site = Site::start().await?;
    let (form, folder) = (Form::with_framework(SIZE)?, site.content());
    for sent in places(&form) {
        site.break_off(&form, sent, folder.clone(), || {}).await?;
        site.is_untouched(&folder).await?;
    }
    site.takes(&form, &folder).await
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_an_upload_starts_without_it() -> Result<()> {
    let site = Site::start().await?;
    let (form, folder) = (Form::with_framework(SIZE)?, site.content());
    for sent in places(&form) {
        let process = site.server.process();
        let kill = move || assert!(process.kill(), "the server had ended");
        site.break_off(&form, sent, folder.clone(), kill).await?;
        site.server.ended().await?;
        ensure!(!files(&folder)?.is_empty(), "it was killed before it began");
        site.server.start().await?;
        site.is_untouched(&folder).await?;
    }
    site.takes(&form, &folder).await
}

#[tokio::test]
async fn a_client_that_still_sends_gets_the_answer_to_an_upload_refused_at_its_beginning() -> Result<()> {
    let site = Site::start().await?;
    let mut form = Form::with_framework(16 * SIZE)?;
    form.bytes.splice(
        0..0,
        *b"--quartermaster-test-boundary\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n",
    );
    for _ in 0..3 {
        let answer = site.upload(&form).await?;
        ensure!(answer.status() == 422, "{answer:?}");
    }
    site.is_untouched(&site.content()).await
}

#[tokio::test]
async fn an_upload_whose_last_file_is_refused_leaves_nothing_of_the_others() -> Result<()> {
    let site = Site::start().await?;
    let (form, folder) = (Form::with_framework(SIZE)?, site.content());
    let mut bad = Form::with_framework(SIZE)?;
    let at = form.share(75);
    bad.bytes[at] ^= 1;
    let answer = site.upload(&bad).await?;
    ensure!(answer.status() == 422, "{answer:?}");
    eventually(|| Ok(files(&folder)?.is_empty())).await?;
    site.is_untouched(&folder).await?;
    site.takes(&form, &folder).await
}
