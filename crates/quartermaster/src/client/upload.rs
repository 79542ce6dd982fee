//! The form of a package upload: files are streamed from disk, never held whole.

use super::ClientError;
use clap::Args;
use reqwest::multipart::{Form, Part};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::fs::File;

/// The files of one upload.
#[derive(Debug, Args)]
pub struct Files {
    /// The package: .msix, .appx, .msixbundle or .appxbundle
    #[arg(value_name = "FILE")]
    package: PathBuf,
    /// A framework package that it needs; may be repeated
    #[arg(long, value_name = "FILE")]
    dependency: Vec<PathBuf>,
    /// The license file that `winget download` writes beside the package
    #[arg(long, value_name = "FILE")]
    license: Option<PathBuf>,
}

/// Opens the files, all of them before the first byte is sent.
pub async fn form(files: &Files) -> Result<Form, ClientError> {
    let mut form = Form::new();
    if let Some(license) = &files.license {
        form = form.part("license", part(license).await?);
    }
    for dependency in &files.dependency {
        form = form.part("dependency", part(dependency).await?);
    }
    Ok(form.part("package", part(&files.package).await?))
}

async fn part(path: &Path) -> Result<Part, ClientError> {
    open(path).await.map_err(|error| ClientError::File {
        file: path.to_path_buf(),
        error,
    })
}

async fn open(path: &Path) -> io::Result<Part> {
    let file = File::open(path).await?;
    let metadata = file.metadata().await?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let part = Part::stream_with_length(file, metadata.len()).file_name(name);
    part.mime_str(media_type(path)).map_err(io::Error::other)
}

fn media_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    match extension.as_str() {
        "msix" => "application/msix",
        "appx" => "application/appx",
        "msixbundle" => "application/msixbundle",
        "appxbundle" => "application/appxbundle",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_follow_the_extension_in_any_case() {
        assert_eq!(
            media_type(Path::new("a/Fabrikam.MSIXBundle")),
            "application/msixbundle"
        );
        assert_eq!(media_type(Path::new("license.xml")), "application/xml");
        assert_eq!(media_type(Path::new("Fabrikam")), "application/octet-stream");
    }
}
