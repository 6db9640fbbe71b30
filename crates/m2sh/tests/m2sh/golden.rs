//! The 97 configuration files whose effect on Mongrel2's m2sh was recorded.

use m2sh::language::{Source, compile};
use serde_json::Value;
use store::rows::{
    Cell, DirectoryRow, HandlerRow, HostRow, MimetypeRow, PluginRow, ProxyRow, RouteRow, Rows,
    ServerRow, SettingRow,
};

use crate::program::{Program, golden, latin1};
use crate::shape::{mimetypes, shape};

/// Files that Mongrel2's m2sh loads and ours refuses, and the rule. The rows of the first group would be
/// Mongrel2's, but no server can start with them; those of the second would not.
const NO_SERVER_STARTS: &[(&str, &str)] = &[
    ("empty-hosts", "a server has a host"),
    ("handler", "a spec has a port"),
    ("handler-raw", "a spec has a port"),
    ("handler-proto", "a spec has a port"),
    ("handler-proto-bad", "a spec has a port"),
    ("bind-ssl-control", "TLS has certificates"),
];
const NOT_COMMITTED: &[(&str, &str)] = &[
    ("name-number", "a parameter has its type"),
    ("missing-uuid", "no server starts with a NULL"),
    ("missing-default_host", "no server starts with a NULL"),
    ("dir-missing-index", "no server starts with a NULL"),
    ("proxy-port-missing", "no server starts with a NULL"),
    ("unknown-class", "a route has a target"),
    ("route-string", "a route has a target"),
    ("settings-not-hash", "settings are a dictionary"),
    ("settings-list-value", "a setting is a text or a number"),
    ("dir-no-slash", "a base ends in a slash"),
    ("dir-ttl-str", "a parameter has its type"),
    ("handler-raw-10", "raw_payload is 0 or 1"),
    ("filters-nosettings", "a filter has settings"),
    ("filters-not-class", "a filter is a Filter"),
    ("nul", "a NUL byte is no blank"),
];

#[test]
fn golden_configurations_make_the_recorded_rows() {
    let program = Program::ours();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in golden("15-config-files.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let config = latin1(case["config"].as_str().unwrap());
        let (ran, ours) = program.load(&config);
        let theirs = recorded(&case["tables"]);
        let listed = |list: &[(&str, &str)]| list.iter().any(|(listed, _)| *listed == name);
        let refused = ours.is_none() && ran.code == Some(1) && !ran.stderr.is_empty();
        let right = match &theirs {
            Some(theirs) if listed(NO_SERVER_STARTS) => {
                let compiled = compile(&Source::new(name, config), Vec::new());
                refused && compiled.is_accepted() && shape(&compiled.rows) == shape(theirs)
            }
            Some(_) if listed(NOT_COMMITTED) => refused,
            Some(theirs) => {
                ran.code == Some(0)
                    && ours.as_ref().is_some_and(|ours| shape(ours) == shape(theirs))
            }
            None => refused && !listed(NO_SERVER_STARTS) && !listed(NOT_COMMITTED),
        };
        if !right {
            let (ours, theirs) = (ours.as_ref().map(shape), theirs.as_ref().map(shape));
            wrong.push(format!("{name}: {:?}\n{}{ours:#?}{theirs:#?}", ran.code, ran.stderr));
        }
        compared += 1;
    }
    assert_eq!(compared, 97);
    assert!(wrong.is_empty(), "{} files differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_load_brings_the_recorded_mimetypes() {
    let (_, rows) = Program::ours().load(b"servers=[]");
    let recorded = golden("15-default-mimetypes.json");
    let recorded = recorded["types"].as_object().unwrap().iter();
    let recorded = recorded
        .map(|(extension, mimetype)| (extension.clone(), mimetype.as_str().unwrap().to_owned()));
    assert_eq!(mimetypes(&rows.unwrap()), recorded.collect());
}

/// What Mongrel2's m2sh committed; `None` when it committed nothing.
fn recorded(tables: &Value) -> Option<Rows> {
    tables["mimetype rows"].as_u64()?;
    let rows = |table: &str| -> Vec<Vec<Cell>> {
        let rows = tables[table].as_array().into_iter().flatten();
        rows.map(|row| row.as_array().unwrap().iter().map(cell).collect()).collect()
    };
    let plugins = |table| {
        let rows = rows(table).into_iter();
        rows.map(|row| {
            let [id, server_id, name, settings] = columns(row);
            PluginRow { id: number(&id), server_id, name, settings }
        })
        .collect()
    };
    Some(Rows {
        servers: rows("server").into_iter().map(server).collect(),
        hosts: rows("host").into_iter().map(host).collect(),
        routes: rows("route").into_iter().map(route).collect(),
        handlers: rows("handler").into_iter().map(handler).collect(),
        proxies: rows("proxy").into_iter().map(proxy).collect(),
        directories: rows("directory").into_iter().map(directory).collect(),
        settings: rows("setting").into_iter().map(setting).collect(),
        mimetypes: Vec::<MimetypeRow>::new(),
        filters: plugins("filter"),
        xrequests: plugins("xrequest"),
    })
}

fn server(row: Vec<Cell>) -> ServerRow {
    let [id, uuid, access_log, error_log, chroot, pid_file, rest @ ..]: [Cell; 12] = columns(row);
    let [control_port, default_host, name, bind_addr, port, use_ssl] = rest;
    ServerRow {
        id: number(&id),
        uuid,
        access_log,
        error_log,
        chroot,
        pid_file,
        control_port,
        default_host,
        name,
        bind_addr,
        port,
        use_ssl,
    }
}

fn host(row: Vec<Cell>) -> HostRow {
    let [id, server_id, maintenance, name, matching] = columns(row);
    HostRow { id: number(&id), server_id, maintenance, name, matching }
}

fn route(row: Vec<Cell>) -> RouteRow {
    let [id, path, reversed, host_id, target_id, target_type] = columns(row);
    RouteRow { id: number(&id), path, reversed, host_id, target_id, target_type }
}

fn handler(row: Vec<Cell>) -> HandlerRow {
    let [id, send_spec, send_ident, recv_spec, recv_ident, raw_payload, protocol] = columns(row);
    HandlerRow {
        id: number(&id),
        send_spec,
        send_ident,
        recv_spec,
        recv_ident,
        raw_payload,
        protocol,
    }
}

fn proxy(row: Vec<Cell>) -> ProxyRow {
    let [id, addr, port] = columns(row);
    ProxyRow { id: number(&id), addr, port }
}

fn directory(row: Vec<Cell>) -> DirectoryRow {
    let [id, base, index_file, default_ctype, cache_ttl] = columns(row);
    DirectoryRow { id: number(&id), base, index_file, default_ctype, cache_ttl }
}

fn setting(row: Vec<Cell>) -> SettingRow {
    let [id, key, value] = columns(row);
    SettingRow { id: number(&id), key, value }
}

fn columns<const N: usize>(row: Vec<Cell>) -> [Cell; N] {
    row.try_into().unwrap()
}

fn number(cell: &Cell) -> i64 {
    let Cell::Integer(number) = cell else { panic!("{cell:?} is no id") };
    *number
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Number(number) => Cell::Integer(number.as_i64().unwrap()),
        Value::String(text) => Cell::Text(text.clone()),
        other => Cell::Other(other.to_string()),
    }
}
