//! `servers`, `hosts`, `routes`: what is in the database.

use store::rows::{Cell, HostRow, Rows};

use super::database;
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn servers(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let rows = store::read(&database(options, terminal)?)?;
    writeln!(terminal.out, "SERVERS:\n------")?;
    let lines = rows.servers.iter().map(|server| {
        [text(&server.name), text(&server.default_host), text(&server.uuid)].map(str::to_owned)
    });
    print(lines, terminal)
}

pub(super) fn hosts(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let Some(server) = options.get("server") else {
        let what = "a -server, whose hosts it lists";
        return Err(Failure::MissingOption { command: "hosts", what });
    };
    let rows = store::read(&database(options, terminal)?)?;
    writeln!(terminal.out, "HOSTS in {server}:\n-----")?;
    let lines =
        hosts_of(&rows, server).map(|host| [host.id.to_string(), text(&host.name).to_owned()]);
    print(lines, terminal)
}

pub(super) fn routes(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let (hosts, rows) = match (options.get("id"), options.get("host"), options.get("server")) {
        (Some(id), None, None) => {
            let Ok(number) = id.parse::<i64>() else {
                let expected = "the id of a host, as m2sh hosts prints it";
                return Err(Failure::BadOption { option: "id", value: id.to_owned(), expected });
            };
            let rows = store::read(&database(options, terminal)?)?;
            writeln!(terminal.out, "ROUTES in host id {id}\n-----")?;
            (vec![number], rows)
        }
        (None, Some(host), Some(server)) => {
            let rows = store::read(&database(options, terminal)?)?;
            let named = hosts_of(&rows, server).filter(|row| text(&row.name) == host);
            let ids = named.map(|row| row.id).collect();
            writeln!(terminal.out, "ROUTES in host {host}, server {server}\n-----")?;
            (ids, rows)
        }
        _ => {
            let what = "either -host and -server, or -id alone";
            return Err(Failure::MissingOption { command: "routes", what });
        }
    };
    let of_hosts = |id: &Cell| matches!(id, Cell::Integer(id) if hosts.contains(id));
    let routes = rows.routes.iter().filter(|route| of_hosts(&route.host_id));
    print(routes.map(|route| [text(&route.path).to_owned()]), terminal)
}

fn hosts_of<'a>(rows: &'a Rows, server: &'a str) -> impl Iterator<Item = &'a HostRow> {
    let named = rows.servers.iter().filter(move |row| text(&row.name) == server);
    let ids: Vec<_> = named.map(|row| Cell::Integer(row.id)).collect();
    rows.hosts.iter().filter(move |host| ids.contains(&host.server_id))
}

/// A column as people read it; NULL as Mongrel2's m2sh prints it.
pub(super) fn text(cell: &Cell) -> &str {
    match cell {
        Cell::Text(text) | Cell::Other(text) => text,
        Cell::Null | Cell::Integer(_) => "(null)",
    }
}

/// Each row ends in a blank before the newline, which scripts that cut Mongrel2's lines expect.
pub(super) fn print<const N: usize>(
    lines: impl Iterator<Item = [String; N]>,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut none = true;
    for cells in lines {
        none = false;
        for cell in cells {
            write!(terminal.out, "{cell} ")?;
        }
        writeln!(terminal.out)?;
    }
    if none {
        writeln!(terminal.err, "m2sh: No results to display.")?;
    }
    Ok(())
}
