//! A running server: started from a configuration, reloaded from a newer one, drained and stopped.

use crate::access_log::{self, AccessLog, AccessLogWriter};
use crate::control::{Control, Orders, View};
use crate::dispatch::Dispatch;
use crate::error::{ReloadFault, StartFault};
use crate::live::Live;
use crate::options::Options;
use crate::restart::restart_needed;
use edge::{Edge, Registry};
use site::Site;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{HeldDatabase, Lowered};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Where a server's configuration comes from, and what overrides it.
#[derive(Clone, Debug)]
pub struct Boot {
    pub database: PathBuf,
    pub uuid: String,
    /// Instead of the configured address.
    pub listen: Option<SocketAddr>,
    /// Inside the configured chroot, where paths are relative to it already and the database has
    /// no path any more.
    pub held: Option<Arc<HeldDatabase>>,
}

/// A server that accepts connections until it is stopped.
#[derive(Debug)]
pub struct Server {
    boot: Boot,
    edge: Arc<Edge<Dispatch>>,
    listening: Mutex<Listening>,
    control: Control,
    orders: Option<Orders>,
    // Dropped last: what the connections still log is written.
    _access_log: AccessLogWriter,
}

/// How long connections may take to notice that they are killed: a poll of their task.
const KILL_GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Listening {
    /// As configured, to see whether a reload moves it.
    asked: SocketAddr,
    bound: watch::Sender<SocketAddr>,
    stop: CancellationToken,
}

impl From<Options> for Boot {
    fn from(options: Options) -> Self {
        let Options { database, uuid, listen, check: _ } = options;
        Self { database, uuid, listen, held: None }
    }
}

impl Boot {
    /// Reads and checks the configuration; logs what is odd about it.
    pub fn load(&self) -> Result<Site, StartFault> {
        let Lowered { site, warnings } = match &self.held {
            Some(database) => database.load(&self.uuid)?,
            None => store::load(&self.database, &self.uuid)?,
        };
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(site)
    }

    pub fn addr(&self, site: &Site) -> SocketAddr {
        self.listen.unwrap_or(site.listener.addr)
    }

    /// The file that the access log goes to, if `site` has one.
    fn access_log(&self, site: &Site) -> io::Result<Option<File>> {
        if !site.options.access_logging {
            return Ok(None);
        }
        let server = &site.server;
        let path = access_log::locate(server, &server.access_log, self.held.is_some());
        access_log::open(&path).map(Some).inspect_err(|error| {
            tracing::error!(path = %path.display(), %error, "can't open the access log");
        })
    }
}

impl Server {
    /// Loads the configuration, binds everything it names and starts accepting.
    pub async fn start(boot: Boot) -> Result<Self, StartFault> {
        let site = boot.load()?;
        let listener = listen(boot.addr(&site))?;
        Self::start_with(boot, site, listener).await
    }

    /// The same, with a configuration and a listening socket that are at hand already.
    pub async fn start_with(
        boot: Boot,
        site: Site,
        listener: TcpListener,
    ) -> Result<Self, StartFault> {
        let asked = boot.addr(&site);
        let bound =
            listener.local_addr().map_err(|source| StartFault::Listen { addr: asked, source })?;
        let registry = Arc::new(Registry::default());
        // A server without an access log is better than none.
        let file = boot.access_log(&site).unwrap_or_default();
        let live = Live::build(site, None, &registry).await?;
        let (log, writer) =
            AccessLog::start(file).map_err(|source| StartFault::Runtime { source })?;
        let edge = Edge::new(Dispatch::new(live, log), registry);
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&edge).accept(listener, stop.clone()));
        tokio::spawn(edge.watch());
        let (bound, seen) = watch::channel(bound);
        let view = View { edge: Arc::clone(&edge), bound: seen };
        let spec = edge.service().live().site.server.control_port.clone();
        let (control, orders) = Control::open(view, &spec).await;
        let listening = Mutex::new(Listening { asked, bound, stop });
        let orders = Some(orders);
        Ok(Self { boot, edge, listening, control, orders, _access_log: writer })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        *self.listening().bound.borrow()
    }

    pub fn live(&self) -> Arc<Live> {
        self.edge.service().live()
    }

    pub fn registry(&self) -> &Arc<Registry> {
        self.edge.registry()
    }

    /// Puts the configuration that the database now holds in force, or none of it.
    pub async fn reload(&self) -> Result<(), ReloadFault> {
        let boot = self.boot.clone();
        let site = tokio::task::spawn_blocking(move || boot.load())
            .await
            .map_err(|_| ReloadFault::Interrupted)??;
        let asked = self.boot.addr(&site);
        let moved = asked != self.listening().asked;
        let listener = if moved { Some(listen(asked)?) } else { None };
        let dispatch = self.edge.service();
        let kept = restart_needed(&dispatch.live().site, &site);
        let live = Live::build(site, Some(&dispatch.live()), self.edge.registry()).await?;
        if !kept.is_empty() {
            tracing::warn!("changed, but in force only after a restart: {}", kept.join(", "));
        }
        let control_port = live.site.server.control_port.clone();
        dispatch.replace(live);
        self.control.follow(&control_port).await;
        self.reopen_access_log();
        if let Some(listener) = listener {
            self.move_to(asked, listener)?;
        }
        Ok(())
    }

    /// Goes on in a file of the configured name: after a rotation, or under a new configuration.
    /// What can't be opened leaves the old file in use.
    pub fn reopen_access_log(&self) {
        let live = self.live();
        if let Ok(file) = self.boot.access_log(&live.site) {
            self.edge.service().access_log().reopen(file);
        }
    }

    /// Accepts on a new address; the old one closes, its connections go on.
    fn move_to(&self, asked: SocketAddr, listener: TcpListener) -> Result<(), StartFault> {
        let bound =
            listener.local_addr().map_err(|source| StartFault::Listen { addr: asked, source })?;
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&self.edge).accept(listener, stop.clone()));
        let mut listening = self.listening();
        listening.asked = asked;
        listening.bound.send_replace(bound);
        std::mem::replace(&mut listening.stop, stop).cancel();
        Ok(())
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What operators ask for through the control port; the first caller has it.
    pub fn take_orders(&mut self) -> Option<Orders> {
        self.orders.take()
    }

    /// Stops accepting and returns when every request has been answered, or `timeout.drain` has
    /// passed; then the handlers are told and everything is closed.
    pub async fn stop(self) {
        self.listening().stop.cancel();
        let registry = self.edge.registry();
        registry.drain();
        let live = self.live();
        let deadline = live.site.limits.drain_deadline;
        if tokio::time::timeout(deadline, registry.emptied()).await.is_err() {
            tracing::warn!(
                open = registry.len(), after = ?deadline,
                "closing connections that did not finish within timeout.drain"
            );
            registry.end_drain();
            if tokio::time::timeout(KILL_GRACE, registry.emptied()).await.is_err() {
                registry.kill();
            }
            if tokio::time::timeout(KILL_GRACE, registry.emptied()).await.is_err() {
                tracing::error!(
                    open = registry.len(),
                    "connections did not end when they were told to"
                );
            }
        }
        // All at once: each may linger for a handler that does not read.
        let closing: JoinSet<()> =
            live.handlers().map(|handler| async move { handler.close().await }).collect();
        closing.join_all().await;
        self.control.close().await;
    }
}

/// Binds the TCP socket.
pub fn listen(addr: SocketAddr) -> Result<TcpListener, StartFault> {
    edge::bind(addr)
        .and_then(TcpListener::from_std)
        .map_err(|source| StartFault::Listen { addr, source })
}
