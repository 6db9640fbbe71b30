//! Why a server does not start or does not reload.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server can't start. Each says what was attempted; the source says what happened.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    #[error("the configuration can't be used")]
    Load(#[from] store::LoadFault),
    #[error("can't listen on {addr}")]
    Listen { addr: SocketAddr, source: std::io::Error },
    #[error("handler row {row}: its sockets can't be bound")]
    Handler { row: i64, source: bus::BindFault },
    #[error("the error pages can't be used")]
    ErrorPages(#[from] crate::error_pages::PageFault),
    #[error("handlers can't be asked for credentials")]
    HandlerSecurity(#[from] crate::handler_security::SecurityFault),
    #[error("pid file {}: process {pid} is still running, stop it first", path.display())]
    StillRunning { path: PathBuf, pid: i32 },
    #[error("pid file {} can't be used", path.display())]
    PidFile { path: PathBuf, source: std::io::Error },
    #[error("can't change into the chroot {path}")]
    Chroot { path: String, source: std::io::Error },
    #[error("can't give up root's privileges")]
    Privileges { source: std::io::Error },
    #[error("can't start a daemon")]
    Daemon { source: std::io::Error },
    #[error("the daemon did not start; its last words are above")]
    DaemonFailed,
    #[error("can't open the error log {}", path.display())]
    ErrorLog { path: PathBuf, source: std::io::Error },
    #[error("can't start the threads of the server")]
    Runtime { source: std::io::Error },
}

/// Why the old configuration stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFault {
    #[error("the new configuration can't be used")]
    Start(#[from] StartFault),
    #[error("the database could not be read to its end")]
    Interrupted,
}

/// An error and all its sources, one to a line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        for line in error.to_string().lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
        source = error.source();
    }
    text
}
