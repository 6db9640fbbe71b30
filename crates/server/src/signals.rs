//! Signals as a server's operator uses them.

use crate::error::{ReloadFault, StartFault, chain};
use crate::running::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals the server answers.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What had begun was finished.
    Graceful,
    /// A second signal, this one, cut it short.
    Cut(i32),
}

impl Signals {
    /// Takes over the signals of the process.
    pub fn listen() -> Result<Self, StartFault> {
        let on = |kind| signal(kind).map_err(|source| StartFault::Runtime { source });
        Ok(Self {
            hangup: on(SignalKind::hangup())?,
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Runs the server until a signal ends it.
    pub async fn run(mut self, server: Server) -> Ending {
        let signal = loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    // Rotation does not depend on the configuration being right.
                    crate::log::reopen();
                    server.reopen_access_log();
                    report(server.reload().await);
                }
                signal = ending(&mut self.interrupt, &mut self.terminate) => break signal,
            }
        };
        tracing::info!(
            signal,
            open = server.registry().len(),
            "stopping; a second signal stops at once"
        );
        tokio::select! {
            () = server.stop() => Ending::Graceful,
            signal = ending(&mut self.interrupt, &mut self.terminate) => Ending::Cut(signal),
        }
    }
}

async fn ending(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
    }
}

fn report(reloaded: Result<(), ReloadFault>) {
    match reloaded {
        Ok(()) => {
            tracing::info!("reloaded: the new configuration is in force");
        }
        Err(fault) => {
            tracing::error!("not reloaded, the old configuration stays in force: {}", chain(&fault))
        }
    }
}
