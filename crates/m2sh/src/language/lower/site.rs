//! Servers, hosts, routes and their targets.

use store::rows::{Cell, DirectoryRow, HandlerRow, HostRow, ProxyRow, RouteRow, ServerRow};

use super::fields::Fields;
use super::{Lowering, Origin, next_id};
use crate::language::problem::Problem;
use crate::language::schema::{ClassSchema, DIR, HANDLER, HOST, PROXY, SERVER};
use crate::language::syntax::{Class, Value, Word};

impl<'a> Lowering<'a> {
    pub(super) fn server(&mut self, value: &'a Value) {
        let Some((schema, class)) = self.class(value, &[&SERVER]) else { return };
        let fields = self.fields(class, schema);
        let id = next_id(self.rows.servers.len());
        self.origins.insert("server", id, fields.origin());
        let row = ServerRow {
            id,
            uuid: fields.text_cell("uuid"),
            access_log: fields.text_cell("access_log"),
            error_log: fields.text_cell("error_log"),
            chroot: fields.text_or("chroot", ""),
            pid_file: fields.text_cell("pid_file"),
            control_port: fields.text_or("control_port", ""),
            default_host: fields.text_cell("default_host"),
            name: fields.text_cell("name"),
            bind_addr: fields.text_or("bind_addr", "0.0.0.0"),
            port: fields.number_cell("port", self.problems),
            use_ssl: fields.number_or("use_ssl", 0, self.problems),
        };
        self.rows.servers.push(row);
        if let Some(hosts) = fields.value("hosts").and_then(|value| self.list(value, "hosts")) {
            for host in hosts {
                self.host(host, id);
            }
        }
        self.plugins(&fields, id);
    }

    fn host(&mut self, value: &'a Value, server_id: i64) {
        let Some((schema, class)) = self.class(value, &[&HOST]) else { return };
        let fields = self.fields(class, schema);
        let id = next_id(self.rows.hosts.len());
        let mut origin = fields.origin();
        origin.columns.push(("server_id", value.span));
        self.origins.insert("host", id, origin);
        let name = fields.text_cell("name");
        let matching = fields.text("matching").map(|text| Cell::Text(text.to_owned()));
        self.rows.hosts.push(HostRow {
            id,
            server_id: Cell::Integer(server_id),
            maintenance: Cell::Integer(0),
            matching: matching.unwrap_or_else(|| name.clone()),
            name,
        });
        if let Some(routes) = fields.value("routes") {
            for (path, target) in self.dict(routes, "routes") {
                self.route(path, target, id);
            }
        }
    }

    fn route(&mut self, path: &'a Word, target: &'a Value, host_id: i64) {
        let Some((target_type, target_id)) = self.target(target) else { return };
        let id = next_id(self.rows.routes.len());
        let columns =
            vec![("path", path.span), ("target_id", target.span), ("target_type", target.span)];
        self.origins.insert("route", id, Origin { row: path.span, columns });
        self.rows.routes.push(RouteRow::to(id, &path.text, host_id, (target_type, target_id)));
    }

    /// The `target_type` and `target_id` of a route.
    fn target(&mut self, value: &'a Value) -> Option<(&'static str, i64)> {
        let (schema, class) = self.class(value, &[&DIR, &HANDLER, &PROXY])?;
        if let Some(made) = self.targets.get(&class.name.span) {
            return *made;
        }
        let fields = self.fields(class, schema);
        let target = match schema.name {
            "Dir" => self.directory(&fields),
            "Handler" => self.handler(&fields),
            _ => self.proxy(&fields),
        };
        self.targets.insert(class.name.span, Some(target));
        Some(target)
    }

    fn directory(&mut self, fields: &Fields<'a>) -> (&'static str, i64) {
        let id = next_id(self.rows.directories.len());
        self.origins.insert("directory", id, fields.origin());
        if let Some(base) = fields.text("base")
            && !base.ends_with('/')
        {
            let problem = Problem::BaseWithoutSlash { base: base.to_owned() };
            self.problems.error(fields.span("base"), problem);
        }
        self.rows.directories.push(DirectoryRow {
            id,
            base: fields.text_cell("base"),
            index_file: fields.text_cell("index_file"),
            default_ctype: fields.text_cell("default_ctype"),
            cache_ttl: fields.number_or("cache_ttl", 0, self.problems),
        });
        ("dir", id)
    }

    fn handler(&mut self, fields: &Fields<'a>) -> (&'static str, i64) {
        let id = next_id(self.rows.handlers.len());
        self.origins.insert("handler", id, fields.origin());
        let raw_payload = fields.number_or("raw_payload", 0, self.problems);
        if let Cell::Integer(number @ 2..) = raw_payload {
            let (what, digits) = ("raw_payload".to_owned(), number.to_string());
            self.problems.error(fields.span("raw_payload"), Problem::NotAFlag { what, digits });
        }
        self.rows.handlers.push(HandlerRow {
            id,
            send_spec: fields.text_cell("send_spec"),
            send_ident: fields.text_cell("send_ident"),
            recv_spec: fields.text_cell("recv_spec"),
            recv_ident: fields.text_cell("recv_ident"),
            raw_payload,
            protocol: fields.text_or("protocol", "json"),
        });
        ("handler", id)
    }

    fn proxy(&mut self, fields: &Fields<'a>) -> (&'static str, i64) {
        let id = next_id(self.rows.proxies.len());
        self.origins.insert("proxy", id, fields.origin());
        self.rows.proxies.push(ProxyRow {
            id,
            addr: fields.text_cell("addr"),
            port: fields.number_cell("port", self.problems),
        });
        ("proxy", id)
    }

    pub(super) fn fields(&mut self, class: &'a Class, schema: &'static ClassSchema) -> Fields<'a> {
        Fields::check(class, schema, &mut self.scope, self.problems)
    }
}
