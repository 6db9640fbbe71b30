//! One GET on a connection that stays open: enough HTTP to check an answer before it is measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a connection, asks for `path` and reads the whole answer.
/// Returns the connection, still open, and the length of the body.
pub(super) fn fetch(address: SocketAddr, path: &str) -> Result<(TcpStream, u64), String> {
    let failed = |e: std::io::Error| format!("GET http://{address}{path}: {e}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).map_err(failed)? == 0 {
            return Err(format!("GET http://{address}{path}: closed after {head:?}"));
        }
    }
    let length = body_length(&head).ok_or_else(|| {
        let status = head.lines().next().unwrap_or_default();
        format!("GET http://{address}{path}: wanted 200 with a length, got {status}")
    })?;
    let read = std::io::copy(&mut reader.take(length), &mut std::io::sink()).map_err(failed)?;
    if read < length {
        return Err(format!("GET http://{address}{path}: {read} of {length} bytes"));
    }
    Ok((stream, length))
}

/// The Content-Length of a 200.
fn body_length(head: &str) -> Option<u64> {
    let (status, fields) = head.split_once("\r\n")?;
    status.strip_prefix("HTTP/1.1 200")?;
    fields.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 12\r\n\r\n", Some(12)),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ] {
            assert_eq!(body_length(head), expected, "{head:?}");
        }
    }
}
