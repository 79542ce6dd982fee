//! `quartermaster serve`: three listeners and the background worker, until it is told to stop.

use crate::{
    config::Config,
    descriptors,
    listener::{Capacity, Ending, Listener},
    logging::{self, LogFormat},
    output, parts, process,
    tls::{ListenerTls, provider},
};
use anyhow::{Context as _, Result};
use axum::Router;
use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use qm_core::Clock;
use qm_db::{Db, SoleServer};
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
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Running::start(&config, metrics).await?;
    output::line("ready");
    loop {
        tokio::select! {
            _ = hangup.recv() => server.reload(&config),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => {
                server.send_elsewhere();
                let drain = Duration::from_secs(config.limits.drain_seconds);
                // Whoever asks again does not want to wait.
                tokio::select! {
                    () = tokio::time::sleep(drain) => {}
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                break;
            }
        }
    }
    tracing::info!("stopping: requests in progress are finished first");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// How long background work may take to end. The listeners have a limit of their own.
const GRACE: Duration = Duration::from_secs(10);

/// A server that runs.
pub struct Running {
    tls: ListenerTls,
    orchestrator: Arc<Orchestrator>,
    listeners: JoinSet<()>,
    /// Of each listener.
    capacity: Capacity,
    idle: Duration,
    ending: Ending,
    background: JoinSet<()>,
    stop_working: CancellationToken,
    _sole: Option<SoleServer>,
}

impl Running {
    /// Opens everything and accepts connections.
    pub async fn start(config: &Config, metrics: PrometheusHandle) -> Result<Self> {
        descriptors::raise();
        let (orchestrator, sole) = parts::open(config).await?;
        let verifier = qm_pki::client_verifier(provider(), &[orchestrator.device_ca()])?;
        let tls = ListenerTls::load(config, verifier)?;
        let mut running = Self {
            tls,
            orchestrator: Arc::clone(&orchestrator),
            listeners: JoinSet::new(),
            capacity: descriptors::capacity(&config.limits, descriptors::allowed()),
            idle: Duration::from_secs(config.limits.idle_seconds),
            ending: Ending::default(),
            background: JoinSet::new(),
            stop_working: CancellationToken::new(),
            _sole: sole,
        };
        running.listen(config, &orchestrator, metrics).await?;
        running
            .background
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
        self.background.spawn(keep_up(upkeep, self.stop_working.clone()));
        let render = Arc::new(move || {
            process::observe();
            metrics.render()
        });
        let enrollment = qm_dm_endpoint::enrollment_routes(Arc::clone(orchestrator));
        let management = qm_dm_endpoint::management_routes(Arc::clone(orchestrator));
        let admin = qm_admin_api::routes(Arc::clone(orchestrator), render);
        let (plain, with_certificate) = (self.tls.plain(), self.tls.management());
        self.open("enrollment", config.enrollment.listen, plain.clone(), enrollment)
            .await?;
        self.open(
            "management",
            config.management.listen,
            with_certificate,
            management,
        )
        .await?;
        self.open("admin", config.admin.listen, plain, admin).await
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
        let (clock, ending) = (Clock::system(), self.ending.clone());
        let listener = Listener::new(name, router, self.capacity, self.idle, clock, ending);
        self.listeners.spawn(listener.serve(socket, tls));
        Ok(())
    }

    /// The database.
    pub fn database(&self) -> &Db {
        self.orchestrator.database()
    }

    /// Reads the certificate files again.
    pub fn reload(&self, config: &Config) {
        match self.tls.reload(config) {
            Ok(()) => tracing::info!("certificates reloaded"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "the old certificates stay in use"),
        }
    }

    /// Still serves, but is no longer ready, and lets go of every connection after its next reply: a load balancer
    /// moves on.
    pub fn send_elsewhere(&self) {
        tracing::info!("not ready any more: clients are sent elsewhere before the server stops");
        self.orchestrator.begin_to_stop();
        self.ending.send_elsewhere.cancel();
    }

    /// Stops accepting, finishes what is in progress, then stops the worker.
    pub async fn stop(mut self) {
        self.orchestrator.begin_to_stop();
        self.ending.send_elsewhere.cancel();
        self.ending.stop.cancel();
        joined(&mut self.listeners).await;
        self.stop_working.cancel();
        if tokio::time::timeout(GRACE, joined(&mut self.background))
            .await
            .is_err()
        {
            tracing::warn!(
                "background work was still running; it is taken up when its lease ends, or at the next start"
            );
        }
    }
}

async fn joined(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the server panicked");
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
