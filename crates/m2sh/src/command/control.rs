//! `control`: a conversation with the control port of a running server.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use bytes::BytesMut;
use store::rows::{Cell, Rows, ServerRow};
use wire::control::{self, Reply, Table};
use wire::tnetstring::Value;

use super::select::{label, select};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

const PROMPT: &str = "m2 [control]> ";
/// A control port answers at once or not at all.
const WITHIN: Duration = Duration::from_secs(5);

/// Sends each line of stdin as a request and prints the answer.
pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let selection = select(options, terminal)?;
    let [server] = &selection.servers[..] else {
        let matched = selection.servers.iter().map(label).collect();
        return Err(Failure::Ambiguous { matched });
    };
    let spec = spec(server, &selection.rows);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let stdin = io::stdin();
    let prompt = if stdin.is_terminal() { PROMPT } else { "" };
    let mut line = String::new();
    loop {
        write!(terminal.out, "{prompt}")?;
        terminal.out.flush()?;
        line.clear();
        if stdin.lock().read_line(&mut line).map_err(Failure::Input)? == 0 {
            return Ok(());
        }
        let Some(request) = request(&line) else { continue };
        let asked = runtime.block_on(bus::ask(&spec, request.freeze(), WITHIN));
        let answer = asked.map_err(|source| Failure::Control { spec: spec.clone(), source })?;
        let reply = Reply::parse(&answer)
            .map_err(|source| Failure::ControlReply { spec: spec.clone(), source })?;
        write!(terminal.out, "{}", shown(&reply))?;
    }
}

/// `NAME key=value ...`: a value that begins with a digit or `-` is a number, if it is one.
fn request(line: &str) -> Option<BytesMut> {
    let mut words = line.split([' ', '\t', '\r', '\n', '=']).filter(|word| !word.is_empty());
    let name = words.next()?;
    let mut arguments = Vec::new();
    while let Some(key) = words.next() {
        let value = words.next().unwrap_or_default();
        let number = value.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        let number = value.parse().ok().filter(|_| number).map(Value::Integer);
        arguments.push((key, number.unwrap_or(Value::Bytes(value.as_bytes()))));
    }
    let mut request = BytesMut::new();
    control::encode_call(name, &arguments, &mut request);
    Some(request)
}

/// One row as `key:  value` lines, more as a table with at least two blanks after every cell.
fn shown(reply: &Reply) -> String {
    let table = match reply {
        Reply::Error { error, .. } => return format!("ERROR: {error}\n"),
        Reply::Table(table) => table,
    };
    let Table { headers, rows } = table;
    if let [row] = &rows[..] {
        let pairs = headers.iter().zip(row);
        return pairs.map(|(header, cell)| format!("{header}:  {}\n", plain(cell))).collect();
    }
    let mut lines = vec![headers.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| row.iter().map(plain).collect()));
    let widths: Vec<usize> = (0..headers.len())
        .map(|at| {
            lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths.iter().chain(std::iter::repeat(&0)));
        text.extend(cells.map(|(cell, width)| format!("{cell:width$}  ")));
        text.push('\n');
    }
    text + "\n"
}

fn plain(cell: &control::Cell) -> String {
    match cell {
        control::Cell::Null => String::new(),
        control::Cell::Bool(value) => value.to_string(),
        control::Cell::Integer(number) => number.to_string(),
        control::Cell::Float(number) => number.to_string(),
        control::Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// The server's own address, else the setting's, else the default. A path of an `ipc://` address is
/// inside the chroot when the server is in one, else below its directory.
fn spec(server: &ServerRow, rows: &Rows) -> String {
    let filled = |cell: &Cell| match cell {
        Cell::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let key = Cell::Text("control_port".to_owned());
    let setting = || rows.settings.iter().rev().find(|row| row.key == key).map(|row| &row.value);
    let spec = filled(&server.control_port)
        .or_else(|| setting().and_then(filled))
        .unwrap_or_else(|| "ipc://run/control".to_owned());
    let (Some(path), Cell::Text(chroot)) = (spec.strip_prefix("ipc://"), &server.chroot) else {
        return spec;
    };
    let inside = site::below_chroot(chroot, path);
    match inside.exists() {
        true => format!("ipc://{}", inside.display()),
        false => spec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_request() {
        for (line, expected) in [
            ("help\n", Some("10:4:help,0:}]")),
            ("status what=net\n", Some("26:6:status,13:4:what,3:net,}]")),
            ("kill id=9", Some("19:4:kill,9:2:id,1:9#}]")),
            ("kill id = -1", Some("21:4:kill,10:2:id,2:-1#}]")),
            ("x a=+5", Some("16:1:x,9:1:a,2:+5,}]")),
            ("x a=1b", Some("16:1:x,9:1:a,2:1b,}]")),
            ("  \n", None),
        ] {
            let found = request(line).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            assert_eq!(found.as_deref(), expected, "{line:?}");
        }
    }

    #[test]
    fn replies_are_shown_as_mongrel2s_m2sh_shows_them() {
        for (reply, expected) in [
            ("49:7:headers,7:4:time,]4:rows,18:14:10:1795275187,]]}", "time:  1795275187\n"),
            ("30:7:headers,7:4:name,]4:rows,0:]}", "name  \n\n"),
            (
                "61:4:code,16:INVALID_ARGUMENT,5:error,22:Invalid argument type.,}",
                "ERROR: Invalid argument type.\n",
            ),
        ] {
            assert_eq!(shown(&Reply::parse(reply.as_bytes()).unwrap()), expected, "{reply:?}");
        }
        let row = |number| vec![control::Cell::Integer(number), control::Cell::Bool(false)];
        let table = Table { headers: vec!["id".into(), "sys".into()], rows: vec![row(1), row(2)] };
        assert_eq!(shown(&Reply::Table(table)), "id  sys    \n1   false  \n2   false  \n\n");
    }
}
