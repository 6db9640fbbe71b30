//! Writes the configuration database of a test.

use super::{UUID, free_ports};
use std::path::Path;
use store::Cell;
use store::rows::{
    DirectoryRow, HandlerRow, HostRow, MimetypeRow, ProxyRow, RouteRow, Rows, ServerRow,
};

/// A site with one server and any number of hosts; `{}` stands for the test's folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteBuilder {
    rows: Rows,
}

/// A handler's sockets, by a name that is unique in its test.
#[derive(Clone, Debug)]
pub(crate) struct HandlerSpec {
    pub(crate) send_spec: String,
    pub(crate) recv_spec: String,
    pub(crate) protocol: &'static str,
}

impl HandlerSpec {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            send_spec: format!("ipc://{{}}/{name}.push"),
            recv_spec: format!("ipc://{{}}/{name}.sub"),
            protocol: "json",
        }
    }

    /// On ports that were free a moment ago.
    pub(crate) fn over_tcp() -> Self {
        let [send, recv] = free_ports();
        Self {
            send_spec: format!("tcp://127.0.0.1:{send}"),
            recv_spec: format!("tcp://127.0.0.1:{recv}"),
            protocol: "json",
        }
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        let folder = folder.to_str().unwrap();
        self.send_spec = self.send_spec.replace("{}", folder);
        self.recv_spec = self.recv_spec.replace("{}", folder);
        self
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn next(count: usize) -> i64 {
    i64::try_from(count).unwrap() + 1
}

impl SiteBuilder {
    /// A server whose default host, `localhost`, has no routes yet.
    pub(crate) fn new() -> Self {
        let mut site = Self::default();
        site.rows.servers.push(ServerRow {
            id: 1,
            uuid: text(UUID),
            access_log: text("/access.log"),
            error_log: text("/error.log"),
            chroot: text("{}"),
            pid_file: text("/server.pid"),
            control_port: text("ipc://{}/control"),
            default_host: text("localhost"),
            name: text("test"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(1),
            use_ssl: Cell::Integer(0),
        });
        for (id, (extension, mimetype)) in
            (1..).zip([(".html", "text/html"), (".txt", "text/plain")])
        {
            let (mimetype, extension) = (text(mimetype), text(extension));
            site.rows.mimetypes.push(MimetypeRow { id, mimetype, extension });
        }
        site.host("localhost")
    }

    /// Later routes belong to this host.
    pub(crate) fn host(mut self, name: &str) -> Self {
        self.rows.hosts.push(HostRow::named(next(self.rows.hosts.len()), name));
        self
    }

    pub(crate) fn dir(mut self, path: &str, base: &str) -> Self {
        let id = next(self.rows.directories.len());
        self.rows.directories.push(DirectoryRow {
            id,
            base: text(base),
            index_file: text("index.html"),
            default_ctype: text("application/octet-stream"),
            cache_ttl: Cell::Integer(0),
        });
        self.route(path, id, "dir")
    }

    pub(crate) fn proxy(mut self, path: &str, port: u16) -> Self {
        let id = next(self.rows.proxies.len());
        self.rows.proxies.push(ProxyRow {
            id,
            addr: text("127.0.0.1"),
            port: Cell::Integer(i64::from(port)),
        });
        self.route(path, id, "proxy")
    }

    pub(crate) fn handler(self, path: &str, name: &str) -> Self {
        self.handler_with(path, &HandlerSpec::named(name))
    }

    pub(crate) fn handler_with(mut self, path: &str, spec: &HandlerSpec) -> Self {
        let id = next(self.rows.handlers.len());
        self.rows.handlers.push(HandlerRow {
            protocol: text(spec.protocol),
            ..HandlerRow::json(id, UUID, &spec.send_spec, &spec.recv_spec)
        });
        self.route(path, id, "handler")
    }

    pub(crate) fn setting(mut self, key: &str, value: &str) -> Self {
        self.rows.set(key, value);
        self
    }

    /// For a process of its own that stays in the foreground: its port, its files in its folder.
    pub(crate) fn alone(self, port: u16) -> Self {
        self.setting("server.daemonize", "0").rows(|rows| {
            let server = &mut rows.servers[0];
            server.chroot = text("");
            server.port = Cell::Integer(port.into());
            for path in [&mut server.access_log, &mut server.error_log, &mut server.pid_file] {
                let Cell::Text(name) = path else { panic!("a path is text") };
                *name = name.trim_start_matches('/').to_owned();
            }
        })
    }

    /// Any change that the methods above do not make.
    pub(crate) fn rows(mut self, change: impl FnOnce(&mut Rows)) -> Self {
        change(&mut self.rows);
        self
    }

    pub(crate) fn write(&self, folder: &Path) {
        let mut rows = self.rows.clone();
        let here = folder.to_str().unwrap();
        for server in &mut rows.servers {
            fill(&mut server.chroot, here);
            fill(&mut server.control_port, here);
        }
        for handler in &mut rows.handlers {
            fill(&mut handler.send_spec, here);
            fill(&mut handler.recv_spec, here);
        }
        for directory in &mut rows.directories {
            fill(&mut directory.base, here);
        }
        for setting in &mut rows.settings {
            fill(&mut setting.value, here);
        }
        store::replace(&folder.join("config.sqlite"), &rows, None).unwrap();
    }

    fn route(mut self, path: &str, target_id: i64, target_type: &str) -> Self {
        let (id, host_id) = (next(self.rows.routes.len()), next(self.rows.hosts.len()) - 1);
        self.rows.routes.push(RouteRow::to(id, path, host_id, (target_type, target_id)));
        self
    }
}

fn fill(cell: &mut Cell, folder: &str) {
    if let Cell::Text(text) = cell {
        *text = text.replace("{}", folder);
    }
}
