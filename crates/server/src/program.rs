//! The life of the process, top to bottom, in the order that privileges demand.

use crate::access_log::locate;
use crate::error::{StartFault, chain};
use crate::handler_security;
use crate::log::{self, Destination};
use crate::options::Options;
use crate::process::{
    Daemon, Launcher, PidFile, become_daemon, enter_chroot, is_daemon, is_root, raise_descriptors,
};
use crate::running::{Boot, Server};
use crate::signals::{Ending, Signals};
use site::Site;
use std::io::{IsTerminal as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use store::HeldDatabase;

/// Runs the server that `options` name until a signal ends it. 0: it was stopped; 1: it could not
/// start, and said why; otherwise the second signal that cut the stop short.
pub fn main(options: Options) -> ExitCode {
    log::start();
    match run(options) {
        Ok(code) => code,
        Err(fault) => {
            let fault = chain(&fault);
            tracing::error!("{fault}");
            if log::is_in_file() {
                // Whoever started the daemon is still listening.
                log::send_to(Destination::StandardError);
                tracing::error!("{fault}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<ExitCode, StartFault> {
    let check = options.check;
    let mut boot = Boot::from(options);
    // A daemon's launcher has said what is odd, on the same terminal.
    let site =
        if is_daemon() { store::load(&boot.database, &boot.uuid)?.site } else { boot.load()? };
    if check {
        let inside = is_root() && !site.server.chroot.is_empty();
        let locate = |path: &str| match inside {
            true => site.server.below_chroot(path),
            false => PathBuf::from(path),
        };
        handler_security::read(&site.handler_security, locate)?;
        say(&format!("{} is fine: {}", boot.uuid, summary(&site)));
        return Ok(ExitCode::SUCCESS);
    }
    let daemon = is_root() && site.server.daemonize;
    let launcher = match daemon.then(become_daemon).transpose()? {
        Some(Daemon::Launched { ready }) => {
            say(&ready);
            return Ok(ExitCode::SUCCESS);
        }
        Some(Daemon::Itself(launcher)) => Some(launcher),
        None => None,
    };
    let addr = boot.addr(&site);
    let listener = edge::bind(addr).map_err(|source| StartFault::Listen { addr, source })?;
    raise_descriptors(site.limits.fd_max);
    let chroots = is_root() && !site.server.chroot.is_empty();
    let pid_path = locate(&site.server, &site.server.pid_file, chroots);
    let pid_file = if chroots {
        let database = HeldDatabase::open(&boot.database).map_err(store::LoadFault::from)?;
        boot.held = Some(Arc::new(database));
        enter_chroot(&site.server.chroot, || PidFile::take(pid_path))?
    } else {
        PidFile::take(pid_path)?
    };
    if daemon {
        let path = locate(&site.server, &site.server.error_log, chroots);
        log::send_to(Destination::file(path)?);
    }
    // Dropped after the runtime, so that its last words are written. No thread before privileges go.
    let _log = log::in_background()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(site.limits.threads.unwrap_or_else(threads_by_default))
        .enable_all()
        .build()
        .map_err(|source| StartFault::Runtime { source })?;
    let ending = runtime.block_on(serve(boot, site, listener, launcher))?;
    drop(pid_file);
    Ok(match ending {
        Ending::Graceful => ExitCode::SUCCESS,
        Ending::Cut(signal) => ExitCode::from(u8::try_from(signal).unwrap_or(1)),
    })
}

async fn serve(
    boot: Boot,
    site: Site,
    listener: TcpListener,
    launcher: Option<Launcher>,
) -> Result<Ending, StartFault> {
    // Before anything serves, so that no signal finds the process without an answer.
    let signals = Signals::listen()?;
    let summary = summary(&site);
    let addr = boot.addr(&site);
    let listener = tokio::net::TcpListener::from_std(listener)
        .map_err(|source| StartFault::Listen { addr, source })?;
    let server = Server::start_with(boot, site, listener).await?;
    let ready = format!(
        "serving {summary} on http://{}; stop with {}kill {}",
        server.addr(),
        if launcher.is_some() { "" } else { "Ctrl-C or " },
        std::process::id()
    );
    if !(log::is_on_terminal() && std::io::stdout().is_terminal() && launcher.is_none()) {
        tracing::info!("{ready}");
    }
    match launcher {
        Some(launcher) => {
            launcher.ready(&ready).map_err(|source| StartFault::Daemon { source })?;
        }
        None => say(&ready),
    }
    Ok(signals.run(server).await)
}

/// Half of the cores: a request wakes a handler or a back end, which is often on this machine.
fn threads_by_default() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn summary(site: &Site) -> String {
    let hosts = site.hosts.iter().count();
    let routes: usize = site.hosts.iter().map(|host| host.routes.iter().count()).sum();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "'{}': {hosts} host{}, {routes} route{} to {} director{}, {} prox{}, {} handler{}",
        site.server.name,
        plural(hosts),
        plural(routes),
        site.dirs.len(),
        if site.dirs.len() == 1 { "y" } else { "ies" },
        site.proxies.len(),
        if site.proxies.len() == 1 { "y" } else { "ies" },
        site.handlers.len(),
        plural(site.handlers.len()),
    )
}

/// One line for whoever started us; a closed standard output is not our trouble.
fn say(line: &str) {
    let _heard = writeln!(std::io::stdout(), "{line}");
}
