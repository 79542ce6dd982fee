//! The configuration file: one struct for each section, defaults, checks, and environment overrides.
//!
//! Unknown keys are errors that name the key. Relative paths are relative to the file. Every setting can be
//! overridden by `QUARTERMASTER_<SECTION>__<KEY>`.

mod sections;
#[cfg(test)]
mod tests;

pub use sections::{Admin, Content, Database, Enrollment, Keys, Limits, Listener, Management, Store, Tls};

use figment::{
    Figment,
    providers::{Env, Format as _, Toml},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Enrollment listener.
    pub enrollment: Enrollment,
    /// Management listener.
    pub management: Management,
    /// Admin listener.
    pub admin: Admin,
    /// Server certificate.
    pub tls: Tls,
    /// Database.
    pub database: Database,
    /// Package store.
    pub content: Content,
    /// Store service; left out to run without one.
    pub store: Option<Store>,
    /// Where the server's own keys are.
    #[serde(default)]
    pub keys: Keys,
    /// Sizes and times.
    #[serde(default)]
    pub limits: Limits,
    /// The file's folder.
    #[serde(skip)]
    base: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error(
        "there is no configuration file at {0}\nhint: `quartermaster init --data-dir DIR --host NAME` writes one"
    )]
    Missing(PathBuf),
    /// A key is unknown, missing or of another kind; the text names it.
    #[error("the configuration is not right: {0}")]
    Invalid(String),
    /// A value cannot be used.
    #[error("{key}: {problem}")]
    Value {
        /// The key, as `section.key`.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl ConfigError {
    /// The file has no profiles: the one that the reader puts before every key would only confuse.
    fn invalid(error: &figment::Error) -> Self {
        Self::Invalid(error.to_string().replace("for key \"default.", "for key \""))
    }
}

impl Config {
    /// Reads the file, applies the environment, checks the values.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        if !file.is_file() {
            return Err(ConfigError::Missing(file.to_path_buf()));
        }
        let environment = Env::prefixed("QUARTERMASTER_")
            .filter(|key| key.as_str().contains("__"))
            .split("__");
        let figment = Figment::new().merge(Toml::file_exact(file)).merge(environment);
        let mut config: Self = figment.extract().map_err(|error| ConfigError::invalid(&error))?;
        config.base = file.parent().map(Path::to_path_buf).unwrap_or_default();
        config.check()?;
        Ok(config)
    }

    /// A path of the file, made absolute by the file's folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The database's URL, a relative SQLite file made absolute by the file's folder.
    pub fn database_url(&self) -> String {
        let url = self.database.url.expose();
        match url.strip_prefix("sqlite:") {
            Some(file) if !file.starts_with(':') => {
                format!("sqlite:{}", self.path(Path::new(file)).display())
            }
            _ => url.clone(),
        }
    }

    /// The folder of the package store.
    pub fn content_folder(&self) -> Result<PathBuf, ConfigError> {
        qm_content::folder(&self.content.url, &self.base).map_err(|error| ConfigError::Value {
            key: "content.url",
            problem: error.to_string(),
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.enrollment.check()?;
        sections::check_https("management.public_url", &self.management.public_url)?;
        sections::check_https("admin.public_url", &self.admin.public_url)?;
        self.database.check()?;
        self.limits.check()?;
        self.content_folder()?;
        self.store.as_ref().map_or(Ok(()), Store::check)
    }
}
