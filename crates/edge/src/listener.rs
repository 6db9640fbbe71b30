//! The accept loop: sockets become connections, within limits, whatever the kernel says.

use crate::connection::Connection;
use crate::exchange::Service;
use crate::peer::Peer;
use crate::registry::Registry;
use crate::seldom::Seldom;
use crate::socket;
use crate::turned_away::TurnedAway;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Waiting connections the kernel may hold for us; it caps this by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the process or the system is out of descriptors or memory.
const EXHAUSTED_REST: Duration = Duration::from_millis(100);

/// All connections of a server, and what they do.
#[derive(Debug)]
pub struct Edge<S> {
    service: S,
    registry: Arc<Registry>,
    turned_away: TurnedAway,
    exhausted: Seldom,
    pub(crate) refused: Seldom,
}

/// Binds a listening socket: reusable at once after a restart, both families on `::`.
///
/// Needs no runtime, so a server can bind before it gives up its privileges.
pub fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl<S: Service> Edge<S> {
    pub fn new(service: S, registry: Arc<Registry>) -> Arc<Self> {
        let turned_away = TurnedAway::default();
        let (exhausted, refused) = (Seldom::default(), Seldom::default());
        Arc::new(Self { service, registry, turned_away, exhausted, refused })
    }

    pub fn service(&self) -> &S {
        &self.service
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Accepts until `stop`, then closes the listening socket. Connections go on.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        // Around the loop, not inside it: a stop must not race with a connection half accepted.
        stop.run_until_cancelled(self.accept_all(&listener)).await;
    }

    /// Looks after the connections' signs of life, for as long as the server exists.
    pub fn watch(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<S> {
        let edge = Arc::downgrade(self);
        async move {
            while let Some(tick) = edge.upgrade().map(|edge| edge.service.rules().limits.tick_timer)
            {
                tokio::time::sleep(tick).await;
                if let Some(edge) = edge.upgrade() {
                    edge.registry.tick(&edge.service.rules().limits);
                }
            }
        }
    }

    async fn accept_all(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.start(stream, remote),
                // The client went away before we took it (ECONNABORTED and its kin).
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    if let Some(count) = self.exhausted.add() {
                        let open = self.registry.len();
                        tracing::error!(%error, open, count, "can't accept a connection");
                    }
                    tokio::time::sleep(EXHAUSTED_REST).await;
                }
            }
        }
    }

    fn start(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        let rules = self.service.rules();
        if self.registry.sockets() >= rules.limits.connections_max {
            self.turned_away.add(stream, remote, rules.limits.connections_max);
            return;
        }
        let Ok(local) = stream.local_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        if rules.tcp_keepalive && socket2::SockRef::from(&stream).set_keepalive(true).is_err() {
            return;
        }
        let entry = self.registry.enter(stream.as_raw_fd());
        let (conn, remote_addr) = (entry.line().conn(), remote.ip().to_string().into_boxed_str());
        let peer = Peer { conn, remote, remote_addr, local, tls: false };
        let connection = Connection::new(Arc::clone(self), peer, entry, socket::split(stream));
        tokio::spawn(Box::new(connection).run());
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    // accept(2): Linux passes on what has already gone wrong with the new socket.
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
    )
}
