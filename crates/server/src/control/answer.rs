//! One request of an operator, and the answer to it.

use super::status;
use crate::dispatch::Dispatch;
use edge::{ConnId, Edge};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::control::{Cell, Command, ControlError, Reply, StatusOf, Table};

/// What an operator wants of the process, as by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As SIGHUP.
    Reload,
    /// As SIGINT.
    Stop,
    /// As SIGTERM.
    Terminate,
}

/// The orders of operators, in turn.
pub type Orders = mpsc::Receiver<Order>;

/// What the control port can see of its server.
#[derive(Debug)]
pub struct View {
    pub edge: Arc<Edge<Dispatch>>,
    /// Where it listens.
    pub bound: watch::Receiver<SocketAddr>,
}

/// Where requests are answered.
#[derive(Debug)]
pub(super) struct Desk {
    view: View,
    orders: mpsc::Sender<Order>,
}

/// Orders that wait while one is carried out; more of them change nothing.
const ORDERS_MAX: usize = 16;

/// What Mongrel2's `help` does not name.
const MORE_HELP: [(&str, &str); 1] =
    [("status what=handlers", "handlers: their peers, requests and latencies")];

impl Desk {
    pub(super) fn new(view: View) -> (Self, Orders) {
        let (orders, carried_out) = mpsc::channel(ORDERS_MAX);
        (Self { view, orders }, carried_out)
    }

    /// Answers `request`; `stop` closes the port behind the answer.
    pub(super) fn answer(&self, request: &[u8], stop: &CancellationToken) -> Reply {
        match Command::parse(request) {
            Ok(command) => self.carry_out(command, stop).unwrap_or_else(Reply::from),
            Err(error) => error.into(),
        }
    }

    fn carry_out(&self, command: Command, stop: &CancellationToken) -> Result<Reply, ControlError> {
        let table = match command {
            Command::Help => Table::help(&MORE_HELP),
            Command::Time => Table::single("time", seconds().to_string()),
            Command::Uuid => {
                Table::single("uuid", self.view.edge.service().live().site.server.uuid.clone())
            }
            Command::Info => self.info(),
            Command::Status(StatusOf::Net) => status::net(&self.view.edge.registry().seen()),
            Command::Status(StatusOf::Tasks) => status::tasks(&self.view.edge.service().live()),
            Command::Status(StatusOf::Handlers) => {
                status::handlers(&self.view.edge.service().live())
            }
            Command::Kill(id) => {
                let line = self.view.edge.registry().find(ConnId(id));
                tracing::info!(id, found = line.is_some(), "control port: kill");
                line.ok_or(ControlError::BadArgument)?.kill();
                Table::killed()
            }
            Command::Reload => self.order(Order::Reload),
            Command::Stop => self.order(Order::Stop),
            Command::Terminate => self.order(Order::Terminate),
            Command::ControlStop => {
                tracing::info!("control port: control_stop");
                stop.cancel();
                Table::control_stopping()
            }
        };
        Ok(table.into())
    }

    fn order(&self, order: Order) -> Table {
        tracing::info!(?order, "control port: order");
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!(?order, %error, "an order is not carried out");
        }
        Table::signal_sent()
    }

    fn info(&self) -> Table {
        let live = self.view.edge.service().live();
        let server = &live.site.server;
        let bound = *self.view.bound.borrow();
        let row: [(&str, Cell); 8] = [
            ("port", i64::from(bound.port()).into()),
            ("bind_addr", bound.ip().to_string().into()),
            ("uuid", server.uuid.clone().into()),
            ("chroot", server.chroot.clone().into()),
            ("access_log", server.access_log.clone().into()),
            ("error_log", server.error_log.clone().into()),
            ("pid_file", server.pid_file.clone().into()),
            ("default_hostname", live.site.host(None).name.to_string().into()),
        ];
        let (headers, cells) = row.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        Table { headers: headers.into_iter().map(Into::into).collect(), rows: vec![cells] }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
