//! A server whose content folder is looked into, and clients that go away in the middle.

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream};
use qm_core::{Architecture, Version};
use qm_store_sim::appx::PackageSpec;
use qm_testkit::process::{Installation, Plan, Server};
use quartermaster::demo::api::Api;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, header::CONTENT_TYPE};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// One server on the embedded database.
pub struct Site {
    pub server: Server,
    pub api: Api,
    installation: Installation,
}

impl Site {
    /// A server that runs.
    pub async fn start() -> Result<Self> {
        Self::start_by(env!("CARGO_BIN_EXE_quartermaster")).await
    }

    /// A server that another program starts.
    pub async fn start_by(program: &str) -> Result<Self> {
        let installation = Installation::make(program, Plan::default()).await?;
        let server = installation.server("server")?;
        server.start().await?;
        installation.lead_to(&[&server]);
        Ok(Self {
            api: installation.administrator()?,
            server,
            installation,
        })
    }

    /// Where content is, as the tests see it.
    pub fn content(&self) -> PathBuf {
        self.installation.path("content")
    }

    /// Sends a form to its end.
    pub async fn upload(&self, form: &Form) -> Result<Response> {
        Ok(self.request(form).body(form.bytes.clone()).send().await?)
    }

    /// Sends so many bytes of a form; when the server has written them, `then` happens and the client goes away.
    pub async fn break_off(
        &self,
        form: &Form,
        sent: usize,
        folder: PathBuf,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let pieces: Vec<_> = form.bytes[..sent]
            .chunks(PIECE)
            .map(|piece| Ok(piece.to_vec()))
            .collect();
        let begun = form.begun(sent);
        let gone = stream::once(async move {
            let arrived = eventually(|| {
                let files = files(&folder)?;
                let written: u64 = files
                    .iter()
                    .filter_map(|file| file.metadata().ok())
                    .map(|data| data.len())
                    .sum();
                Ok(files.len() == begun && written + BUFFERED >= sent as u64)
            });
            let arrived = arrived.await;
            then();
            Err::<Vec<u8>, _>(io::Error::other(format!("gone: {arrived:?}")))
        });
        let body = Body::wrap_stream(stream::iter(pieces).chain(gone));
        let failed = self.request(form).body(body).send().await;
        let text = format!("{failed:?}");
        ensure!(text.contains("gone: Ok"), "{text}");
        Ok(())
    }

    /// Nothing of any upload is left: no file, no app.
    pub async fn is_untouched(&self, folder: &Path) -> Result<()> {
        eventually(|| Ok(files(folder)?.is_empty()))
            .await
            .with_context(|| format!("{:?}", files(folder)))?;
        let apps = self.api.apps().await?;
        ensure!(apps.is_empty(), "{apps:?}");
        Ok(())
    }

    /// The form is taken, and stored where content is.
    pub async fn takes(&self, form: &Form, folder: &Path) -> Result<()> {
        let answer = self.upload(form).await?;
        let status = answer.status();
        ensure!(
            status == StatusCode::CREATED,
            "{status}: {}",
            answer.text().await?
        );
        let files = files(folder)?;
        ensure!(files.len() == form.packages.len(), "{files:?}");
        ensure!(self.api.apps().await?.len() == 1);
        Ok(())
    }

    fn request(&self, form: &Form) -> RequestBuilder {
        let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = self.api.request(Method::POST, "/apps/packages");
        request
            .header(CONTENT_TYPE, media_type)
            .header("Content-Length", form.bytes.len())
    }
}

/// An upload as it goes over the wire.
pub struct Form {
    pub bytes: Vec<u8>,
    /// Where each package begins.
    packages: Vec<usize>,
}

impl Form {
    /// A package of so many bytes and a framework as large.
    pub fn with_framework(size: usize) -> Result<Self> {
        let app = spec("Harborline.Ledger", size);
        let framework = PackageSpec {
            framework: true,
            ..spec("Harborline.Runtime", size)
        };
        Ok(Self::of(&[
            ("package", app.build()?),
            ("dependency", framework.build()?),
        ]))
    }

    /// A package alone.
    pub fn alone(name: &str, size: usize) -> Result<Self> {
        Ok(Self::of(&[("package", spec(name, size).build()?)]))
    }

    fn of(parts: &[(&str, Vec<u8>)]) -> Self {
        let (mut bytes, mut packages) = (Vec::new(), Vec::new());
        for (name, content) in parts {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.msix\"\r\n\r\n"
            );
            bytes.extend(head.as_bytes());
            packages.push(bytes.len());
            bytes.extend(content);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        Self { bytes, packages }
    }

    /// How many packages have begun after so many bytes.
    fn begun(&self, sent: usize) -> usize {
        self.packages.iter().filter(|start| **start < sent).count()
    }

    /// So many hundredths of it.
    pub fn share(&self, hundredths: usize) -> usize {
        self.bytes.len() * hundredths / 100
    }
}

fn spec(name: &str, size: usize) -> PackageSpec {
    PackageSpec {
        payload: size,
        ..PackageSpec::app(
            name,
            "CN=Harborline Tools Oy, C=FI",
            Version([1, 0, 0, 0]),
            Architecture::X64,
        )
    }
}

/// All files below a folder.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Waits for something that has to come.
pub async fn eventually(mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..PATIENCE {
        if holds()? {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("it did not happen")
}

const BOUNDARY: &str = "quartermaster-test-boundary";
/// Bytes handed over at once.
const PIECE: usize = 64 << 10;
/// What the server may hold back before it writes: a chunk, and what may turn out to be a boundary.
const BUFFERED: u64 = (256 << 10) + 1024;
const PAUSE: Duration = Duration::from_millis(20);
/// How many pauses the server may take: 30 seconds.
const PATIENCE: usize = 1500;
