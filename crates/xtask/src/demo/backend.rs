//! The back end behind the demo's proxy: a web server of another make, in fifty lines of std.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Listens on that port of this machine until it is stopped.
pub(crate) fn run(port: &str) -> Result<(), String> {
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is not a port"))?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("port {port}: {e}"))?;
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            // A client that left is no trouble of ours.
            drop(serve(&stream));
        });
    }
    Ok(())
}

/// Answers the requests of one connection with what was asked, as text.
fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.by_ref().take(8192).read_line(&mut head)? == 0 || head.len() > 16_384 {
                return Ok(());
            }
        }
        let length = field(&head, "content-length").and_then(|value| value.parse().ok());
        std::io::copy(&mut reader.by_ref().take(length.unwrap_or(0)), &mut std::io::sink())?;
        let body = format!("This is the back end. It was asked:\n\n{}", head.trim_end());
        let length = body.len();
        write!(
            &mut &*stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nCache-Control: no-store\r\n\r\n{body}"
        )?;
    }
}

/// The value of a header field, by its name in lower case.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn two_requests_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let server = std::thread::spawn(move || serve(&stream));
        let request = "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        write!(client, "{request}GET /b HTTP/1.1\r\n\r\n").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        server.join().unwrap().unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let found = ["POST /a HTTP/1.1", "GET /b HTTP/1.1"].map(|line| answer.contains(line));
        assert_eq!((answer.matches("200 OK").count(), found), (2, [true, true]));
    }
}
