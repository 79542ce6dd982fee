//! `quartermaster init`: makes a new installation in an empty folder.

use crate::output;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use qm_core::{Clock, Rng, Secret};
use qm_pki::{CertificateAuthority, DevelopmentRoot, key_file};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a new installation needs to know.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder of the installation; made if it is not there
    #[arg(long)]
    pub data_dir: PathBuf,
    /// The name under which devices reach the server
    #[arg(long)]
    pub host: String,
    /// Port of discovery, enrollment and package content
    #[arg(long, default_value_t = 8443)]
    pub enrollment_port: u16,
    /// Port of the management session
    #[arg(long, default_value_t = 8444)]
    pub management_port: u16,
    /// Port of the admin API
    #[arg(long, default_value_t = 9443)]
    pub admin_port: u16,
}

/// Writes keys, certificates, database and configuration; the configuration last, so that a broken attempt can
/// be repeated. Refuses a folder that holds an installation.
pub async fn run(init: &Init) -> Result<()> {
    let (config, own_certificate) = create(init).await?;
    output::line(&next_steps(init, &config, own_certificate));
    Ok(())
}

/// Makes the installation; its configuration file, and whether the certificate was the operator's.
pub async fn create(init: &Init) -> Result<(PathBuf, bool)> {
    let config = init.data_dir.join("quartermaster.toml");
    if config.exists() {
        bail!(
            "{} is an installation already\nhint: choose another folder, or move this one away to start anew",
            init.data_dir.display()
        );
    }
    check_host(&init.host)?;
    let (clock, rng) = (Clock::system(), Rng::system());
    for folder in ["keys", "content"] {
        private_folder(&init.data_dir.join(folder))?;
    }
    fs::create_dir_all(init.data_dir.join("tls")).context("cannot create the folder tls")?;
    let own_certificate = write_tls(init, &clock, &rng)?;
    write_keys(&init.data_dir.join("keys"), &clock, &rng)?;
    let database = format!("sqlite:{}", init.data_dir.join("quartermaster.db").display());
    qm_db::Db::connect(&database)
        .await
        .context("cannot create the database")?
        .close()
        .await;
    // The Store's secret may be written into it.
    key_file::create(&config, &Secret::new(configuration(init)))?;
    Ok((config, own_certificate))
}

fn check_host(host: &str) -> Result<()> {
    let usable = url::Host::parse(host).is_ok() && !host.contains(['/', ' ', ':']) && !host.is_empty();
    if !usable {
        bail!("`{host}` is no host name\nhint: give a name such as mdm.example.com, without scheme and port");
    }
    Ok(())
}

pub(crate) fn private_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A certificate that the operator has put there is kept. Otherwise a local root issues one; the root's key is
/// forgotten, so that nothing else can ever be issued by it.
fn write_tls(init: &Init, clock: &Clock, rng: &Rng) -> Result<bool> {
    let folder = init.data_dir.join("tls");
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    if certificate.exists() && key.exists() {
        return Ok(true);
    }
    let root = DevelopmentRoot::generate("Quartermaster local development root", clock.now(), rng)?;
    let mut hosts = vec![init.host.as_str(), "localhost", "127.0.0.1", "::1"];
    hosts.dedup();
    let identity = root.issue_server_certificate(&hosts, clock.now(), rng)?;
    fs::write(folder.join("root.pem"), root.certificate_pem())?;
    fs::write(certificate, &identity.chain_pem)?;
    key_file::replace(&key, &identity.key_pem)?;
    Ok(false)
}

fn write_keys(folder: &Path, clock: &Clock, rng: &Rng) -> Result<()> {
    let authority = CertificateAuthority::generate("Quartermaster device CA", clock.now(), rng)?;
    fs::write(folder.join("device-ca.pem"), authority.certificate_pem())?;
    key_file::replace(&folder.join("device-ca.key"), &authority.key_pem())?;
    let links = qm_core::Sha256(rng.bytes::<32>()).to_string();
    key_file::replace(&folder.join("links.key"), &Secret::new(links))?;
    Ok(())
}

fn configuration(init: &Init) -> String {
    let Init {
        host,
        enrollment_port,
        management_port,
        admin_port,
        ..
    } = init;
    format!(
        r#"# Quartermaster. Relative paths are relative to this file. docs/operate.md explains every key.

[enrollment]
listen = "0.0.0.0:{enrollment_port}"
public_url = "https://{host}:{enrollment_port}"
auth = "on_premises"

[management]
listen = "0.0.0.0:{management_port}"
public_url = "https://{host}:{management_port}"

[admin]
listen = "127.0.0.1:{admin_port}"
public_url = "https://{host}:{admin_port}"

[tls]
certificate = "tls/server.pem"
key = "tls/server.key"

[database]
url = "sqlite:quartermaster.db"

[content]
url = "file:content"

# The Microsoft Store for Business management service; leave it out to run without one.
# [store]
# tenant_id = "contoso.example"
# client_id = "00000000-0000-0000-0000-000000000000"
# client_secret_file = "keys/store-secret"
"#
    )
}

fn next_steps(init: &Init, config: &Path, own_certificate: bool) -> String {
    let root = init.data_dir.join("tls/root.pem");
    let (trust, option, host) = if own_certificate {
        let text = format!("Certificate: yours, in {}", init.data_dir.join("tls").display());
        (text, String::new(), init.host.as_str())
    } else {
        let text = format!(
            "Devices must trust {} (or put your own certificate beside it)",
            root.display()
        );
        (text, format!(" --ca-cert {}", root.display()), "localhost")
    };
    format!(
        "Quartermaster is ready in {folder}\n  {trust}\n  The admin API listens on this machine only \
         (admin.listen)\n\nNext:\n  \
         quartermaster serve --config {config}\n  \
         quartermaster token create --config {config} --name me --role admin\n  \
         export QUARTERMASTER_URL=https://{host}:{port} QUARTERMASTER_TOKEN=…\n  \
         quartermaster{option} enrollment-tokens create --upn user@example.com",
        folder = init.data_dir.display(),
        config = config.display(),
        port = init.admin_port,
    )
}
