//! `access`: the access log as people read it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use wire::tnetstring::{self, Value};

use super::or_default;
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let path = or_default(options, "log", "logs/access.log", terminal)?;
    let failed = |source| Failure::ReadLog { path: path.clone().into(), source };
    let mut log = BufReader::new(File::open(&path).map_err(failed)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if log.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        match pretty(&line) {
            Some(text) => writeln!(terminal.out, "{text}")?,
            None => writeln!(terminal.err, "m2sh: Malformed log line: {number}.")?,
        }
    }
    Ok(())
}

/// `[time] peer:port host "METHOD path VERSION" status size`, then the fields that Mongrel2 has not.
/// `None` when the line is no access record.
fn pretty(line: &[u8]) -> Option<String> {
    let (Value::List(fields), _) = tnetstring::parse(line).ok()? else { return None };
    let fields: Vec<String> = fields.iter().map(plain).collect::<Option<_>>()?;
    let [host, peer, port, time, method, path, version, status, size, more @ ..] = &fields[..]
    else {
        return None;
    };
    let more: String = more.iter().map(|field| format!(" {field}")).collect();
    Some(format!(
        "[{time}] {peer}:{port} {host} \"{method} {path} {version}\" {status} {size}{more}"
    ))
}

/// A field with control characters escaped: a client chose the path, and this goes to a terminal.
fn plain(field: &Value<'_>) -> Option<String> {
    match field {
        Value::Null => Some("-".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let escape = |shown: char| match shown.is_control() {
                true => shown.escape_default().to_string(),
                false => shown.to_string(),
            };
            Some(text.chars().map(escape).collect())
        }
        Value::List(_) | Value::Dict(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::pretty;

    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(pretty(line.as_bytes()).as_deref(), expected, "{line:?}");
    }

    #[test]
    fn records_become_lines() {
        check(
            "78:9:localhost,9:127.0.0.1,5:51798#10:1795275683#3:GET,2:/h,8:HTTP/1.1,3:200#1:0#]\n",
            Some("[1795275683] 127.0.0.1:51798 localhost \"GET /h HTTP/1.1\" 200 0"),
        );
        check(
            "62:1:h,2:::,1:1#1:2#3:GET,4:/\u{1b}[m,8:HTTP/1.1,3:200#1:0#3:1.5^2:ok,]",
            Some("[2] :::1 h \"GET /\\u{1b}[m HTTP/1.1\" 200 0 1.5 ok"),
        );
    }

    #[test]
    fn what_is_no_record_is_malformed() {
        check("", None);
        check("garbage\n", None);
        check("0:]\n", None);
        check("3:0:~]\n", None);
    }
}
