//! One configuration that is right, and what each change to it makes of it.

use std::time::Duration;

use site::{HandlerProtocol, Target};

use super::*;
use crate::rows::{
    DirectoryRow, HandlerRow, HostRow, MimetypeRow, PluginRow, ProxyRow, RouteRow, SettingRow,
};

fn t(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn i(number: i64) -> Cell {
    Cell::Integer(number)
}

fn host(id: i64, name: &str, matching: &str) -> HostRow {
    HostRow { matching: t(matching), ..HostRow::named(id, name) }
}

fn route(id: i64, path: &str, target_type: &str, target_id: i64) -> RouteRow {
    RouteRow::to(id, path, 1, (target_type, target_id))
}

fn handler(id: i64, send_spec: &str, recv_spec: &str) -> HandlerRow {
    HandlerRow::json(id, "ident", send_spec, recv_spec)
}

fn right() -> Rows {
    Rows {
        servers: vec![ServerRow {
            id: 1,
            uuid: t("main-uuid"),
            access_log: t("/logs/access.log"),
            error_log: t("/logs/error.log"),
            chroot: t("./"),
            pid_file: t("/run/m.pid"),
            control_port: t(""),
            default_host: t("localhost"),
            name: t("main"),
            bind_addr: t("127.0.0.1"),
            port: i(6767),
            use_ssl: i(0),
        }],
        hosts: vec![host(1, "localhost", "localhost"), host(2, "other", "(.+).org")],
        routes: vec![
            route(1, "/", "dir", 1),
            route(2, "/h", "handler", 7),
            route(3, "/p/([0-9]+)$", "proxy", 3),
            route(4, "/h2", "handler", 7),
            RouteRow { host_id: i(2), ..route(5, "/", "dir", 1) },
        ],
        handlers: vec![handler(7, "tcp://127.0.0.1:9999", "tcp://127.0.0.1:9998")],
        proxies: vec![ProxyRow { id: 3, addr: t("localhost"), port: i(80) }],
        directories: vec![DirectoryRow {
            id: 1,
            base: t("static/"),
            index_file: t("index.html"),
            default_ctype: t("text/plain"),
            cache_ttl: i(5),
        }],
        settings: vec![SettingRow { id: 1, key: t("timeout.head"), value: t("3") }],
        mimetypes: vec![MimetypeRow { id: 1, mimetype: t("text/html"), extension: t(".html") }],
        ..Rows::default()
    }
}

fn faults(change: impl FnOnce(&mut Rows)) -> Vec<String> {
    let mut rows = right();
    change(&mut rows);
    match lower(&rows, "main-uuid") {
        Ok(_) => Vec::new(),
        Err(faults) => {
            assert!(!faults.0.is_empty());
            faults.0.iter().map(ToString::to_string).collect()
        }
    }
}

fn warnings(change: impl FnOnce(&mut Rows)) -> Vec<String> {
    let mut rows = right();
    change(&mut rows);
    let lowered = lower(&rows, "main-uuid").unwrap();
    lowered.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_right_configuration_becomes_a_site() {
    let Lowered { site, warnings } = lower(&right(), "main-uuid").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(site.server.control_port, "ipc://run/control");
    assert_eq!(site.listener.addr.to_string(), "127.0.0.1:6767");
    assert_eq!(site.limits.head_deadline, Duration::from_secs(3));
    assert_eq!(site.mime.of("x.html"), Some("text/html"));
    assert_eq!((site.handlers.len(), site.proxies.len(), site.dirs.len()), (1, 1, 1));
    let default = site.host(Some("nowhere"));
    let found = default.route("/p/12").unwrap();
    let Target::Proxy(proxy) = &found.route.target else { panic!("{found:?}") };
    assert_eq!((proxy.addr.as_str(), proxy.port, found.rest), ("localhost", 80, "12"));
    let Target::Handler(handler) = &default.route("/h2").unwrap().route.target else { panic!() };
    assert_eq!((handler.index, handler.id, handler.protocol), (0, 7, HandlerProtocol::Json));
    let Target::Dir(dir) = &site.host(Some("x.org:80")).route("/x").unwrap().route.target else {
        panic!()
    };
    assert_eq!((dir.index, dir.cache_ttl), (0, Duration::from_secs(5)));
}

#[test]
fn the_column_control_port_goes_before_the_setting() {
    let mut rows = right();
    rows.settings.push(SettingRow { id: 2, key: t("control_port"), value: t("ipc://run/two") });
    assert_eq!(lower(&rows, "main-uuid").unwrap().site.server.control_port, "ipc://run/two");
    rows.servers[0].control_port = t("ipc://run/one");
    let lowered = lower(&rows, "main-uuid").unwrap();
    assert_eq!(lowered.site.server.control_port, "ipc://run/one");
    assert_eq!(lowered.warnings, []);
}

#[test]
fn every_fault_is_reported_at_once() {
    let found = faults(|rows| {
        rows.servers[0].port = i(70_000);
        rows.servers[0].bind_addr = t("localhost");
        rows.servers[0].default_host = t("localhots");
        rows.servers[0].chroot = Cell::Null;
        rows.servers[0].use_ssl = i(1);
        rows.hosts[1].matching = t("([a).org");
        rows.routes[0].target_type = t("Dir");
        rows.routes[1].target_id = i(99);
        rows.routes[2].path = t("/p/([0-9)$");
        rows.routes[3].target_type = Cell::Null;
        rows.directories[0].base = t("static");
        rows.directories[0].cache_ttl = i(-1);
        rows.settings[0].value = t("soon");
        rows.mimetypes[0].extension = t("html");
    });
    let expected = [
        "setting row 1, value 'soon': timeout.head must be seconds from 0.001 to 2678400, at \
         most three decimals",
        "mimetype row 1, extension 'html': must begin with a dot",
        "server row 1, chroot NULL: must be text",
        "server row 1, bind_addr 'localhost': must be a numeric address, as in 127.0.0.1, \
         0.0.0.0 or ::1",
        "server row 1, port 70000: must be a whole number from 1 to 65535",
        "server row 1, use_ssl 1: TLS needs the setting certdir, and is not built yet: must be 0",
        "route row 1, target_type 'Dir': must be handler, proxy or dir (did you mean 'dir'?)",
        "route row 2, target_id 99: must be the id of a row of handler",
        "route row 3, path '/p/([0-9)$': must be a prefix or a prefix and a pattern, at byte 4: \
         this [ has no ], write \\[ for a bracket",
        "route row 4, target_type NULL: must be text",
        "host row 2, matching '([a).org': must be a name or a pattern, at byte 1: this [ has no \
         ], write \\[ for a bracket",
        "directory row 1, base 'static': must end in /",
        "directory row 1, cache_ttl -1: must be a whole number, at least 0",
        "server row 1, default_host 'localhots': must be the name of a host of server row 1 (did \
         you mean 'localhost'?)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn each_kind_of_fault_has_its_words() {
    let check = |change: fn(&mut Rows), expected: &str| assert_eq!(faults(change), [expected]);
    check(
        |rows| rows.hosts.iter_mut().for_each(|host| host.server_id = i(9)),
        "server row 1, uuid 'main-uuid': must have a host with server_id 1",
    );
    check(
        |rows| rows.handlers[0].send_spec = t("inproc://x"),
        "handler row 7, send_spec 'inproc://x': the transport inproc:// is not supported, it \
         must be tcp://host:port, tcp://*:port or ipc://path",
    );
    check(
        |rows| rows.handlers[0].recv_spec = t("tcp://*:9999"),
        "handler row 7, recv_spec 'tcp://*:9999': can't be bound twice, it is send_spec of \
         handler row 7 already",
    );
    check(
        |rows| rows.handlers[0].recv_spec = t("ipc://run/control"),
        "handler row 7, recv_spec 'ipc://run/control': can't be bound twice, it is the control \
         port of server row 1 already",
    );
    check(
        |rows| {
            rows.handlers.push(handler(8, "tcp://127.0.0.1:9999", "tcp://127.0.0.1:9000"));
            rows.routes.push(route(6, "/x", "handler", 8));
        },
        "handler row 8, send_spec 'tcp://127.0.0.1:9999': can't be bound twice, it is send_spec \
         of handler row 7 already",
    );
    check(
        |rows| rows.handlers[0].raw_payload = Cell::Null,
        "handler row 7, raw_payload NULL: must be a whole number",
    );
    check(
        |rows| rows.proxies[0].addr = t(""),
        "proxy row 3, addr '': must be a host name or an address, as in 127.0.0.1",
    );
    check(
        |rows| rows.proxies[0].port = Cell::Null,
        "proxy row 3, port NULL: must be a whole number from 1 to 65535",
    );
    check(
        |rows| rows.directories[0].default_ctype = t("a\r\nb"),
        "directory row 1, default_ctype 'a\\r\\nb': must not hold control characters, it goes \
         into response heads",
    );
    check(
        |rows| rows.directories[0].base = t(&format!("{}/", "x".repeat(255))),
        &format!(
            "directory row 1, base '{}...: must have at most 255 bytes (limits.dir_max_path)",
            "x".repeat(79)
        ),
    );
    check(
        |rows| {
            rows.mimetypes.push(MimetypeRow { id: 2, mimetype: t("x/y"), extension: t(".html") })
        },
        "mimetype row 2, extension '.html': row 1 has the same extension",
    );
    check(
        |rows| rows.servers[0].access_log = t("a\0b"),
        "server row 1, access_log 'a\\0b': must not hold a NUL character",
    );
    check(|rows| rows.settings[0].value = i(5), "setting row 1, value 5: must be text");
    check(
        |rows| rows.servers[0].control_port = t("ipc:/x"),
        "server row 1, control_port 'ipc:/x': must be tcp://host:port, tcp://*:port or ipc://path",
    );
}

#[test]
fn what_no_route_points_at_is_not_checked() {
    let found = faults(|rows| {
        rows.handlers.push(handler(8, "zzz", "zzz"));
        rows.proxies.push(ProxyRow { id: 4, ..ProxyRow::default() });
        rows.hosts.push(HostRow { server_id: i(2), ..host(3, "theirs", "([") });
        rows.routes.push(RouteRow { host_id: i(3), ..route(6, "([", "zzz", 1) });
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_works_but_was_not_meant_is_a_warning() {
    let check = |change: fn(&mut Rows), expected: &[&str]| assert_eq!(warnings(change), expected);
    check(
        |rows| {
            rows.handlers.push(HandlerRow {
                send_ident: t("other"),
                ..handler(8, "tcp://127.0.0.1:9999", "tcp://127.0.0.1:9998")
            });
            rows.handlers.push(handler(9, "tcp://127.0.0.1:9999", "tcp://127.0.0.1:9998"));
            rows.routes.push(route(6, "/x", "handler", 8));
            rows.routes.push(route(7, "/y", "handler", 9));
        },
        &["handler row 8, send_spec 'tcp://127.0.0.1:9999': row 7 has the same send_spec and \
           recv_spec, so its idents, protocol and raw_payload are used"],
    );
    check(
        |rows| {
            rows.handlers[0].protocol = t("TNETSTRING");
            rows.handlers[0].raw_payload = i(2);
            rows.handlers[0].send_ident = t("a b");
            rows.handlers[0].recv_spec = t("tcp://127.0.0.1:0");
        },
        &[
            "handler row 7, recv_spec 'tcp://127.0.0.1:0': port 0: the system chooses one, \
             nobody else can know it",
            "handler row 7, send_ident 'a b': handlers read it up to the first blank only",
            "handler row 7, raw_payload 2: counts as 0, only 1 switches it on",
            "handler row 7, protocol 'TNETSTRING': counts as json (did you mean 'tnetstring'?)",
        ],
    );
    check(
        |rows| {
            rows.hosts[1].matching = t("LOCALHOST:80");
            rows.hosts.push(host(3, "nothing", ""));
            rows.routes[1].host_id = i(77);
            rows.routes[2].path = t("/");
            rows.routes[3].path = t("/a?b");
        },
        &[
            "route row 2, host_id 77: no such host, the route is ignored",
            "route row 3, path '/': never reached, row 1 has the same path",
            "route row 4, path '/a?b': never reached, a path ends before ? or #",
            "host row 2, matching 'LOCALHOST:80': never reached, row 1 matches the same and goes \
             first",
            "host row 3, matching '': matches no Host, only the default host is reached without",
            "host row 3, name 'nothing': has no routes, everything is answered with 404",
        ],
    );
    check(
        |rows| {
            rows.servers.push(ServerRow { id: 2, ..rows.servers[0].clone() });
            let plugin =
                PluginRow { id: 1, server_id: i(1), name: t("null.so"), settings: t("0:}") };
            rows.filters = vec![plugin.clone(), PluginRow { server_id: i(2), ..plugin.clone() }];
            rows.xrequests = vec![plugin];
        },
        &[
            "server row 2, uuid 'main-uuid': row 1 has the same uuid and goes first",
            "filter row 1, name 'null.so': plugins in C are not loaded, the server runs without it",
            "xrequest row 1, name 'null.so': plugins in C are not loaded, the server runs without \
             it",
        ],
    );
}

#[test]
fn merged_handlers_are_one() {
    let mut rows = right();
    rows.handlers.push(HandlerRow {
        send_ident: t("other"),
        protocol: t("tnetstring"),
        ..handler(8, "tcp://127.0.0.1:9999", "tcp://127.0.0.1:9998")
    });
    rows.routes.push(route(6, "/x", "handler", 8));
    let site = lower(&rows, "main-uuid").unwrap().site;
    assert_eq!(site.handlers.len(), 1);
    let Target::Handler(handler) = &site.host(None).route("/x").unwrap().route.target else {
        panic!()
    };
    assert_eq!((handler.id, handler.send_ident.as_str()), (7, "ident"));
}

#[test]
fn an_unknown_uuid_lists_those_there_are() {
    let faults = lower(&right(), "main-uuld").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "server, uuid 'main-uuld': no such row, the database has 'main-uuid' (main) (did you \
         mean 'main-uuid'?)"
    );
    let faults = lower(&Rows::default(), "x").unwrap_err();
    assert_eq!(faults.to_string(), "server, uuid 'x': no such row, the database has no server");
}
