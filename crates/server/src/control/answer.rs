//! One request of an operator, and the answer to it.

use super::orders::{self, Giver, Order, Orders};
use super::status;
use crate::dispatch::Dispatch;
use bytes::{Bytes, BytesMut};
use edge::{ConnId, Edge};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use wire::control::{Cell, Command, ControlError, Reply, StatusOf, Table};

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
    orders: Giver,
}

/// What Mongrel2's `help` does not name.
const MORE_HELP: [(&str, &str); 1] =
    [("status what=handlers", "handlers: their peers, requests and latencies")];

impl Desk {
    pub(super) fn new(view: View) -> (Self, Orders) {
        let (orders, carried_out) = orders::orders();
        (Self { view, orders }, carried_out)
    }

    /// Answers `request`; `stop` closes the port behind the answer.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Bytes,
        stop: &CancellationToken,
    ) -> Bytes {
        match Command::parse(&request) {
            // A row for each of many connections takes longer than others should wait.
            Ok(Command::Status(of)) => {
                let desk = Arc::clone(self);
                match spawn_blocking(move || encoded(desk.status(of).into())).await {
                    Ok(answer) => answer,
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                }
            }
            Ok(command) => encoded(self.carry_out(command, stop).unwrap_or_else(Reply::from)),
            Err(error) => encoded(error.into()),
        }
    }

    fn status(&self, of: StatusOf) -> Table {
        let service = self.view.edge.service();
        match of {
            StatusOf::Net => status::net(&self.view.edge.registry().seen()),
            StatusOf::Tasks => status::tasks(&service.live()),
            StatusOf::Handlers => status::handlers(&service.live()),
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
            Command::Status(of) => self.status(of),
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
        if let Err(error) = self.orders.give(order) {
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

fn encoded(reply: Reply) -> Bytes {
    let mut bytes = BytesMut::new();
    reply.encode(&mut bytes);
    bytes.freeze()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
