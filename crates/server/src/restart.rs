//! What a reload leaves as it was: the parts of a configuration that only a restart changes.

use site::Site;

/// Names, as the configuration calls them, of what differs and takes effect at the next start only.
pub fn restart_needed(old: &Site, new: &Site) -> Vec<&'static str> {
    let (was, is) = (&old.server, &new.server);
    [
        ("chroot", was.chroot != is.chroot),
        ("pid_file", was.pid_file != is.pid_file),
        ("error_log", was.error_log != is.error_log),
        ("server.daemonize", was.daemonize != is.daemonize),
        ("server.threads", old.limits.threads != new.limits.threads),
        ("superpoll.max_fd", old.limits.fd_max != new.limits.fd_max),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Cell;
    use store::rows::{HostRow, Rows, ServerRow};

    fn site(change: impl FnOnce(&mut Rows)) -> Site {
        let mut rows = Rows::default();
        rows.servers.push(ServerRow {
            id: 1,
            uuid: text("u"),
            access_log: text("a"),
            error_log: text("e"),
            chroot: text(""),
            pid_file: text("p"),
            control_port: text(""),
            default_host: text("h"),
            name: text("n"),
            bind_addr: text("127.0.0.1"),
            port: Cell::Integer(80),
            use_ssl: Cell::Integer(0),
        });
        rows.hosts.push(HostRow::named(1, "h"));
        change(&mut rows);
        store::lower(&rows, "u").unwrap().site
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn what_only_a_restart_changes_is_named() {
        let old = site(|_| {});
        let check = |change: fn(&mut Rows), expected: &[&str]| {
            assert_eq!(restart_needed(&old, &site(change)), expected);
        };
        check(|_| {}, &[]);
        check(|rows| rows.servers[0].chroot = text("/srv"), &["chroot"]);
        check(|rows| rows.servers[0].pid_file = text("q"), &["pid_file"]);
        check(|rows| rows.servers[0].error_log = text("f"), &["error_log"]);
        check(|rows| rows.servers[0].control_port = text("ipc://c"), &[]);
        check(|rows| rows.set("server.daemonize", "0"), &["server.daemonize"]);
        check(|rows| rows.set("server.threads", "9"), &["server.threads"]);
        check(|rows| rows.set("superpoll.max_fd", "99"), &["superpoll.max_fd"]);
        check(|rows| rows.servers[0].access_log = text("b"), &[]);
        check(|rows| rows.set("limits.connections", "99"), &[]);
    }
}
