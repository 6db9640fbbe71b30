//! Rows without their ids: what a database means, to compare two that were made differently.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use store::rows::{Cell, PluginRow, Rows};
use wire::tnetstring::{Value, parse};

/// One line for each server, host, route with its target, setting and plugin, sorted, and the number of
/// rows that targets share.
pub(crate) fn shape(rows: &Rows) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, server) in rows.servers.iter().enumerate() {
        let columns = [
            &server.uuid,
            &server.access_log,
            &server.error_log,
            &server.chroot,
            &server.pid_file,
            &server.control_port,
            &server.default_host,
            &server.name,
            &server.bind_addr,
            &server.port,
            &server.use_ssl,
        ];
        lines.push(format!("server {number}: {columns:?}"));
        for host in rows.hosts.iter().filter(|host| host.server_id == Cell::Integer(server.id)) {
            let columns = [&host.name, &host.matching, &host.maintenance];
            lines.push(format!("server {number} host: {columns:?}"));
            for route in rows.routes.iter().filter(|route| route.host_id == Cell::Integer(host.id))
            {
                let target = target(rows, &route.target_type, &route.target_id);
                let (name, path, reversed) = (&host.name, &route.path, &route.reversed);
                lines
                    .push(format!("server {number} host {name:?}: {path:?} {reversed:?} {target}"));
            }
        }
        for (kind, plugins) in [("filter", &rows.filters), ("xrequest", &rows.xrequests)] {
            let own = plugins.iter().filter(|row| row.server_id == Cell::Integer(server.id));
            lines.extend(own.map(|row| format!("server {number} {kind}: {}", plugin(row))));
        }
    }
    lines.extend(rows.settings.iter().map(|row| format!("setting: {:?} {:?}", row.key, row.value)));
    lines.sort_unstable();
    lines.push(format!(
        "{} hosts, {} routes, {} handlers, {} proxies, {} directories, {} filters, {} xrequests",
        rows.hosts.len(),
        rows.routes.len(),
        rows.handlers.len(),
        rows.proxies.len(),
        rows.directories.len(),
        rows.filters.len(),
        rows.xrequests.len()
    ));
    lines
}

/// Extensions with their types.
pub(crate) fn mimetypes(rows: &Rows) -> BTreeSet<(String, String)> {
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    rows.mimetypes.iter().map(|row| (text(&row.extension), text(&row.mimetype))).collect()
}

fn target(rows: &Rows, target_type: &Cell, id: &Cell) -> String {
    let is = |row: i64| *id == Cell::Integer(row);
    let found = match target_type {
        Cell::Text(kind) if kind == "dir" => {
            rows.directories.iter().find(|row| is(row.id)).map(|row| {
                format!("{:?}", [&row.base, &row.index_file, &row.default_ctype, &row.cache_ttl])
            })
        }
        Cell::Text(kind) if kind == "proxy" => {
            let row = rows.proxies.iter().find(|row| is(row.id));
            row.map(|row| format!("{:?}", [&row.addr, &row.port]))
        }
        Cell::Text(kind) if kind == "handler" => {
            rows.handlers.iter().find(|row| is(row.id)).map(|row| {
                let (sent, received) =
                    ([&row.send_spec, &row.send_ident], [&row.recv_spec, &row.recv_ident]);
                format!("{sent:?} {received:?} {:?}", [&row.raw_payload, &row.protocol])
            })
        }
        _ => None,
    };
    format!("{target_type:?} {}", found.unwrap_or_else(|| "missing".to_owned()))
}

/// Mongrel2 writes the keys of a dictionary in no particular order.
fn plugin(row: &PluginRow) -> String {
    let mut line = format!("{:?} ", row.name);
    match &row.settings {
        Cell::Text(settings) => ordered(&parse(settings.as_bytes()).unwrap().0, &mut line),
        other => write!(line, "{other:?}").unwrap(),
    }
    line
}

fn ordered(value: &Value<'_>, out: &mut String) {
    match value {
        Value::List(items) => {
            out.push('[');
            items.iter().for_each(|item| ordered(item, out));
            out.push(']');
        }
        Value::Dict(entries) => {
            let mut texts: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    let mut text = format!("{}: ", String::from_utf8_lossy(key));
                    ordered(value, &mut text);
                    text
                })
                .collect();
            texts.sort_unstable();
            write!(out, "{{{}}}", texts.join(" ")).unwrap();
        }
        plain => write!(out, "{plain:?} ").unwrap(),
    }
}
