//! Rows of `handler`, `proxy` and `directory` into the targets that routes share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use site::{Dir, Handler, HandlerProtocol, Proxy, Target};

use crate::endpoint::Endpoint;
use crate::findings::{At, Findings, at};
use crate::rows::{Cell, DirectoryRow, HandlerRow, ProxyRow, RouteRow, Rows, ServerRow};
use crate::setting::Bounds;

const KINDS: [&str; 3] = ["handler", "proxy", "dir"];

/// Lowers each target once, however many routes point at it.
#[derive(Debug)]
pub(super) struct Targets<'r> {
    bounds: &'r Bounds,
    handler_rows: HashMap<i64, &'r HandlerRow>,
    proxy_rows: HashMap<i64, &'r ProxyRow>,
    directory_rows: HashMap<i64, &'r DirectoryRow>,
    /// None: the row has faults, which were reported.
    lowered: HashMap<(&'static str, i64), Option<Target>>,
    /// Positions in `Lists::handlers`.
    by_specs: HashMap<(String, String), usize>,
    /// Everything that is bound, by whom.
    bound: Vec<(Endpoint, String)>,
    lists: Lists,
}

/// What routes point at, each once.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) handlers: Vec<Arc<Handler>>,
    pub(super) proxies: Vec<Arc<Proxy>>,
    pub(super) dirs: Vec<Arc<Dir>>,
}

impl<'r> Targets<'r> {
    pub(super) fn new(rows: &'r Rows, bounds: &'r Bounds) -> Self {
        // The first row of an id counts; a table without a primary key may have several.
        Self {
            bounds,
            handler_rows: rows.handlers.iter().rev().map(|row| (row.id, row)).collect(),
            proxy_rows: rows.proxies.iter().rev().map(|row| (row.id, row)).collect(),
            directory_rows: rows.directories.iter().rev().map(|row| (row.id, row)).collect(),
            lowered: HashMap::new(),
            by_specs: HashMap::new(),
            bound: Vec::new(),
            lists: Lists::default(),
        }
    }

    /// No handler may use the endpoint of the control port.
    pub(super) fn reserve_control_port(&mut self, row: &ServerRow, control_port: &str) {
        if let Ok(endpoint) = Endpoint::parse(control_port) {
            self.bound.push((endpoint, format!("the control port of server row {}", row.id)));
        }
    }

    pub(super) fn into_lists(self) -> Lists {
        self.lists
    }

    /// The target of a route.
    pub(super) fn of(&mut self, route: &RouteRow, findings: &mut Findings) -> Option<Target> {
        let kind_at = at!(route, "route".target_type);
        let id_at = at!(route, "route".target_id);
        let wanted = findings.text(kind_at);
        let kind = wanted.and_then(|text| KINDS.into_iter().find(|kind| *kind == text));
        if kind.is_none() && wanted.is_some() {
            findings.fault_among(kind_at, "must be handler, proxy or dir", KINDS);
        }
        let id = findings.integer(id_at, i64::MIN..=i64::MAX);
        let (kind, id) = (kind?, id?);
        if let Some(target) = self.lowered.get(&(kind, id)) {
            return target.clone();
        }
        let target = match kind {
            "handler" => match self.handler_rows.get(&id) {
                Some(row) => self.handler(row, findings).map(Target::Handler),
                None => return missing(id_at, "handler", findings),
            },
            "proxy" => match self.proxy_rows.get(&id) {
                Some(row) => self.proxy(row, findings).map(Target::Proxy),
                None => return missing(id_at, "proxy", findings),
            },
            _ => match self.directory_rows.get(&id) {
                Some(row) => self.dir(row, findings).map(Target::Dir),
                None => return missing(id_at, "directory", findings),
            },
        };
        self.lowered.insert((kind, id), target.clone());
        target
    }

    fn handler(&mut self, row: &HandlerRow, findings: &mut Findings) -> Option<Arc<Handler>> {
        let send = findings.endpoint(at!(row, "handler".send_spec));
        let recv = findings.endpoint(at!(row, "handler".recv_spec));
        let handler = handler(row, self.lists.handlers.len(), findings);
        let specs = match (&row.send_spec, &row.recv_spec) {
            (Cell::Text(send), Cell::Text(recv)) => (send.clone(), recv.clone()),
            _ => return None,
        };
        if let Some(first) = self.by_specs.get(&specs).and_then(|at| self.lists.handlers.get(*at)) {
            if handler.is_some_and(|handler| !same_but_id(&handler, first)) {
                let what = format!(
                    "row {} has the same send_spec and recv_spec, so its idents, protocol and \
                     raw_payload are used",
                    first.id
                );
                findings.warn(at!(row, "handler".send_spec), what);
            }
            return Some(Arc::clone(first));
        }
        let (send, recv) = (send?, recv?);
        let send_free = self.bind(at!(row, "handler".send_spec), send, findings);
        let recv_free = self.bind(at!(row, "handler".recv_spec), recv, findings);
        let handler = Arc::new(handler?);
        if !(send_free && recv_free) {
            return None;
        }
        self.by_specs.insert(specs, handler.index);
        self.lists.handlers.push(Arc::clone(&handler));
        Some(handler)
    }

    /// Whether nothing else is bound to the endpoint.
    fn bind(&mut self, at: At<'_>, endpoint: Endpoint, findings: &mut Findings) -> bool {
        let taken = self.bound.iter().find(|(other, _)| other.collides(&endpoint));
        if let Some((_, by)) = taken {
            findings.fault(at, format!("can't be bound twice, it is {by} already"));
            return false;
        }
        self.bound.push((endpoint, format!("{} of handler row {}", at.column, at.row)));
        true
    }

    fn proxy(&mut self, row: &ProxyRow, findings: &mut Findings) -> Option<Arc<Proxy>> {
        let at = at!(row, "proxy".addr);
        let addr = findings.text(at);
        if addr.is_some_and(|addr| addr.is_empty() || addr.contains([' ', '/', '@'])) {
            findings.fault(at, "must be a host name or an address, as in 127.0.0.1");
        }
        let port = findings.port(at!(row, "proxy".port));
        let index = self.lists.proxies.len();
        let proxy = Proxy { index, id: row.id, addr: addr?.to_owned(), port: port? };
        let proxy = Arc::new(proxy);
        self.lists.proxies.push(Arc::clone(&proxy));
        Some(proxy)
    }

    fn dir(&mut self, row: &DirectoryRow, findings: &mut Findings) -> Option<Arc<Dir>> {
        let base_at = at!(row, "directory".base);
        // Mongrel2 counts the final NUL of C.
        let bound = self.bounds.dir_base.saturating_sub(1);
        let base = findings.short_text(base_at, bound, "limits.dir_max_path");
        if base.is_some_and(|base| !base.ends_with('/')) {
            findings.fault(base_at, "must end in /");
        }
        let index_file = findings.text(at!(row, "directory".index_file));
        let default_ctype = findings.field_text(at!(row, "directory".default_ctype));
        let cache_ttl = findings.integer(at!(row, "directory".cache_ttl), 0..=i64::MAX);
        let dir = Arc::new(Dir {
            index: self.lists.dirs.len(),
            id: row.id,
            base: base?.to_owned(),
            index_file: index_file?.to_owned(),
            default_ctype: default_ctype?.to_owned(),
            cache_ttl: Duration::from_secs(cache_ttl?.unsigned_abs()),
        });
        self.lists.dirs.push(Arc::clone(&dir));
        Some(dir)
    }
}

fn handler(row: &HandlerRow, index: usize, findings: &mut Findings) -> Option<Handler> {
    let ident_at = at!(row, "handler".send_ident);
    let send_ident = findings.text(ident_at);
    if send_ident.is_some_and(|ident| ident.contains(' ')) {
        findings.warn(ident_at, "handlers read it up to the first blank only");
    }
    let recv_ident = findings.text(at!(row, "handler".recv_ident));
    let raw_at = at!(row, "handler".raw_payload);
    let raw_payload = findings.integer(raw_at, i64::MIN..=i64::MAX);
    if raw_payload.is_some_and(|raw| !matches!(raw, 0 | 1)) {
        findings.warn(raw_at, "counts as 0, only 1 switches it on");
    }
    let protocol_at = at!(row, "handler".protocol);
    let protocol = match findings.text(protocol_at) {
        None => None,
        Some("tnetstring") => Some(HandlerProtocol::Tnetstring),
        Some("json") => Some(HandlerProtocol::Json),
        Some(_) => {
            findings.warn_among(protocol_at, "counts as json", ["json", "tnetstring"]);
            Some(HandlerProtocol::Json)
        }
    };
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    };
    Some(Handler {
        index,
        id: row.id,
        send_spec: text(&row.send_spec)?,
        send_ident: send_ident?.to_owned(),
        recv_spec: text(&row.recv_spec)?,
        recv_ident: recv_ident?.to_owned(),
        raw_payload: raw_payload? == 1,
        protocol: protocol?,
    })
}

fn same_but_id(a: &Handler, b: &Handler) -> bool {
    let b = Handler { index: a.index, id: a.id, ..b.clone() };
    *a == b
}

fn missing(at: At<'_>, table: &str, findings: &mut Findings) -> Option<Target> {
    findings.fault(at, format!("must be the id of a row of {table}"));
    None
}
