//! nginx on the same certificate and the same file, where it is installed.

use crate::process::{Process, free_port};
use anyhow::{Context as _, Result};
use quartermaster::config::Config;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{net::TcpStream, process::Command, time::sleep};

/// The program, where there is one.
pub fn find() -> Option<PathBuf> {
    let paths = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
    paths.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Runs nginx in one process, without access log, over what is in `root`. TLS 1.3 as by default; `folder` is for its
/// own files.
pub async fn start(
    program: &Path,
    config: &Config,
    root: &Path,
    folder: &Path,
) -> Result<(Process, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let text = format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;\n\
         client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n\
         uwsgi_temp_path {folder}; scgi_temp_path {folder};\n\
         server {{ listen {address} ssl; root {root};\n\
         ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; }} }}\n",
        folder = folder.display(),
        root = root.display(),
        certificate = config.path(&config.tls.certificate).display(),
        key = config.path(&config.tls.key).display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    // Its user would be nobody otherwise, who may not enter temporary folders.
    command
        .args(["-e", "stderr", "-g", "user root;", "-c"])
        .arg(&file)
        .stdout(Stdio::null());
    let process = Process::spawn(&mut command)?;
    listening(address).await?;
    Ok((process, address))
}

/// nginx does not say when it is ready, so it is asked.
async fn listening(address: SocketAddr) -> Result<()> {
    let mut last = None;
    for _ in 0..200 {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(last.context("never tried")?).context("nginx does not listen")
}
