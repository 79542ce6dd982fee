//! `quartermaster serve`: three listeners and the background worker, until it is told to stop.

use crate::{
    config::Config,
    listener,
    logging::{self, LogFormat},
    output, parts,
    tls::{ListenerTls, provider},
};
use anyhow::{Context as _, Result};
use axum::Router;
use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use qm_orchestrator::{Orchestrator, worker};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How the server is started.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long)]
    pub config: PathBuf,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of RUST_LOG
    #[arg(long, env = "QUARTERMASTER_LOG")]
    pub log: Option<String>,
}

/// Runs the server; prints `ready` once it accepts connections. SIGTERM and SIGINT drain and stop, SIGHUP reloads
/// certificates.
pub async fn run(serve: &Serve) -> Result<()> {
    logging::start(serve.log_format, serve.log.as_deref());
    let config = Config::load(&serve.config)?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("cannot set up metrics")?;
    let server = Running::start(&config, metrics).await?;
    output::line("ready");
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = hangup.recv() => server.reload(&config),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping: requests in progress are finished first");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// How long stopping may take.
const GRACE: Duration = Duration::from_secs(25);

/// A server that runs.
pub struct Running {
    tls: ListenerTls,
    tasks: JoinSet<()>,
    stop_listening: CancellationToken,
    stop_working: CancellationToken,
}

impl Running {
    /// Opens everything and accepts connections.
    pub async fn start(config: &Config, metrics: PrometheusHandle) -> Result<Self> {
        let orchestrator = parts::open(config).await?;
        let verifier = qm_pki::client_verifier(provider(), &[orchestrator.device_ca()])?;
        let tls = ListenerTls::load(config, verifier)?;
        let mut running = Self {
            tls,
            tasks: JoinSet::new(),
            stop_listening: CancellationToken::new(),
            stop_working: CancellationToken::new(),
        };
        running.listen(config, &orchestrator, metrics).await?;
        running
            .tasks
            .spawn(worker::run(orchestrator, running.stop_working.clone()));
        Ok(running)
    }

    async fn listen(
        &mut self,
        config: &Config,
        orchestrator: &Arc<Orchestrator>,
        metrics: PrometheusHandle,
    ) -> Result<()> {
        let upkeep = metrics.clone();
        self.tasks.spawn(keep_up(upkeep, self.stop_working.clone()));
        let render = Arc::new(move || metrics.render());
        let enrollment = qm_dm_endpoint::enrollment_routes(Arc::clone(orchestrator));
        let management = qm_dm_endpoint::management_routes(Arc::clone(orchestrator));
        let admin = qm_admin_api::routes(Arc::clone(orchestrator), render);
        self.open(
            "enrollment",
            config.enrollment.listen,
            self.tls.plain(),
            enrollment,
        )
        .await?;
        self.open(
            "management",
            config.management.listen,
            self.tls.management(),
            management,
        )
        .await?;
        self.open("admin", config.admin.listen, self.tls.plain(), admin)
            .await
    }

    async fn open(
        &mut self,
        name: &'static str,
        address: SocketAddr,
        tls: tokio::sync::watch::Receiver<Arc<rustls::ServerConfig>>,
        router: Router,
    ) -> Result<()> {
        let socket = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address} ({name}.listen): is another program there?")
        })?;
        tracing::info!(listener = name, %address, "listening");
        self.tasks.spawn(listener::serve(
            name,
            socket,
            tls,
            router,
            self.stop_listening.clone(),
        ));
        Ok(())
    }

    /// Reads the certificate files again.
    pub fn reload(&self, config: &Config) {
        match self.tls.reload(config) {
            Ok(()) => tracing::info!("certificates reloaded"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "the old certificates stay in use"),
        }
    }

    /// Stops accepting, finishes what is in progress, then stops the worker.
    pub async fn stop(mut self) {
        self.stop_listening.cancel();
        // The worker stays up while listeners drain: the last requests may still wake it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.stop_working.cancel();
        if tokio::time::timeout(GRACE, self.joined()).await.is_err() {
            tracing::warn!(
                "background work was still running; its lease lets another server or the next start take it up"
            );
        }
    }

    async fn joined(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the server panicked");
            }
        }
    }
}

/// Histograms are folded together now and then, so that they do not grow.
async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => metrics.run_upkeep(),
        }
    }
}
