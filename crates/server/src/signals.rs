//! Signals as a server's operator uses them, and the control port's orders that stand for them.

use crate::control::{Order, Orders};
use crate::error::{ReloadFault, StartFault, chain};
use crate::running::Server;
use std::future::pending;
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
    pub async fn run(mut self, mut server: Server) -> Ending {
        let mut orders = server.take_orders();
        let signal = loop {
            match self.next(&mut orders).await {
                Order::Reload => {
                    // Rotation does not depend on the configuration being right.
                    crate::log::reopen();
                    server.reopen_access_log();
                    report(server.reload().await);
                }
                order @ (Order::Stop | Order::Terminate) => break number(order),
            }
        };
        tracing::info!(
            signal,
            open = server.registry().len(),
            "stopping; a second signal stops at once"
        );
        tokio::select! {
            () = server.stop() => Ending::Graceful,
            signal = self.end(&mut orders) => Ending::Cut(signal),
        }
    }

    async fn next(&mut self, orders: &mut Option<Orders>) -> Order {
        tokio::select! {
            _ = self.hangup.recv() => Order::Reload,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.terminate.recv() => Order::Terminate,
            order = ordered(orders) => order,
        }
    }

    /// The next one that ends the process.
    async fn end(&mut self, orders: &mut Option<Orders>) -> i32 {
        loop {
            match self.next(orders).await {
                Order::Reload => {}
                order @ (Order::Stop | Order::Terminate) => return number(order),
            }
        }
    }
}

async fn ordered(orders: &mut Option<Orders>) -> Order {
    if let Some(open) = orders
        && let Some(order) = open.next().await
    {
        return order;
    }
    pending().await
}

fn number(order: Order) -> i32 {
    let signal = match order {
        Order::Reload => SignalKind::hangup(),
        Order::Stop => SignalKind::interrupt(),
        Order::Terminate => SignalKind::terminate(),
    };
    signal.as_raw_value()
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
