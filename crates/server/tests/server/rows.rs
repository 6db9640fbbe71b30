//! The smallest configuration.

use store::Cell;
use store::rows::{HostRow, Rows, ServerRow};

pub(crate) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// One server `u` with one host, which has no routes.
pub(crate) fn rows(settings: &[(&str, &str)]) -> Rows {
    let mut rows = Rows::default();
    rows.servers.push(ServerRow {
        id: 1,
        uuid: text("u"),
        access_log: text("/access.log"),
        error_log: text("/error.log"),
        chroot: text(""),
        pid_file: text("run/server.pid"),
        control_port: text(""),
        default_host: text("h"),
        name: text("main"),
        bind_addr: text("127.0.0.1"),
        port: Cell::Integer(1),
        use_ssl: Cell::Integer(0),
    });
    rows.hosts.push(HostRow::named(1, "h"));
    for (key, value) in settings {
        rows.set(key, value);
    }
    rows
}
