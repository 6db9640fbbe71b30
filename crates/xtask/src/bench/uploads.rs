//! `bench uploads`: large bodies to files, beside nginx's `client_body_in_file_only`, in one run.
//!
//! The client makes its bytes up as it sends them. Ours goes to a handler that removes the file;
//! nginx removes it by itself once its upstream, which is sent no body, has answered. CPU time is
//! that of the server with its threads and workers; memory is what it grows by at most meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::fleet::{Fleet, Server};
use super::report::{median, ratio};
use super::{build, usage};
use crate::{tools, workspace};

const SERVERS: [Server; 2] = [Server::Us, Server::Nginx];
const PATIENCE: Duration = Duration::from_secs(60);
/// What the client gives to the kernel at once.
const WRITE_BYTES: usize = 256 << 10;
/// Pause between two looks at a server's memory.
const LOOK: Duration = Duration::from_millis(20);
const MIB: f64 = 1_048_576.0;

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
}

/// One upload.
#[derive(Debug, Clone, Copy)]
struct Cost {
    mib_per_second: f64,
    /// Of CPU time, by GiB.
    ms_per_gib: f64,
    /// Growth of the resident memory, at most, in KiB.
    grown: f64,
}

#[derive(Debug)]
struct Row {
    case: String,
    server: Server,
    costs: Vec<Cost>,
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    gib: u64,
    rounds: u32,
}

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::parse(words)?;
    tools::ensure(&[tools::NGINX])?;
    build::servers()?;
    let directory = workspace::target()?.join("bench");
    let fleet = Fleet::start(&directory, &SERVERS)?;
    let mut rows = Vec::new();
    for framing in [Framing::Length, Framing::Chunked] {
        let case = format!("{} GiB, {}", options.gib, framing.name());
        rows.extend(SERVERS.map(|server| Row { case: case.clone(), server, costs: Vec::new() }));
        let [.., ours, theirs] = rows.as_mut_slice() else { continue };
        for row in [&mut *ours, &mut *theirs] {
            // The first pays for what is made once.
            upload(&fleet, row.server, framing, 64 << 20)?;
        }
        for round in 1..=options.rounds {
            for row in [&mut *ours, &mut *theirs] {
                let cost = upload(&fleet, row.server, framing, options.gib << 30)?;
                println!("{:<20} {round} {:<6} {cost}", row.case, row.server.name());
                row.costs.push(cost);
            }
        }
    }
    drop(fleet);
    println!("\n{}", table(&rows));
    match fs::read_dir(directory.join("tmp")).map(Iterator::count) {
        // Ours to be checked, nginx's folder for bodies beside it.
        Ok(left) => println!("left in the folder of uploads: {left} entries"),
        Err(error) => return Err(format!("{}: {error}", directory.display())),
    }
    Ok(())
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { gib: 1, rounds: 3 };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} takes a value"))?;
            let number = value.parse::<u32>().ok().filter(|number| (1..=100).contains(number));
            let number = number.ok_or_else(|| format!("{option} {value}: not from 1 to 100"))?;
            match *option {
                "--gib" => options.gib = u64::from(number),
                "--rounds" => options.rounds = number,
                _ => return Err(format!("bench uploads knows no {option}")),
            }
        }
        Ok(options)
    }
}

impl Framing {
    fn name(self) -> &'static str {
        match self {
            Self::Length => "length known",
            Self::Chunked => "chunks",
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mib_per_second, ms_per_gib, grown } = self;
        write!(f, "{mib_per_second:>7.0} MiB/s {ms_per_gib:>7.0} ms/GiB {grown:>8.0} KiB")
    }
}

fn upload(fleet: &Fleet, server: Server, framing: Framing, bytes: u64) -> Result<Cost, String> {
    let Some((address, service)) = fleet.member(server) else {
        return Err(format!("{} does not run", server.name()));
    };
    let path = if server == Server::Us { "/echo" } else { "/upload" };
    let before = usage::of_family(service.pid());
    let (stop, stopped) = mpsc::channel::<()>();
    let pid = service.pid();
    let watch = std::thread::spawn(move || {
        let mut most = 0.0_f64;
        loop {
            most = most.max(usage::of_family(pid).resident);
            if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return most;
            }
        }
    });
    let began = Instant::now();
    let sent = send(address, path, framing, bytes);
    let took = began.elapsed().as_secs_f64();
    drop(stop);
    let most = watch.join().map_err(|_| "the watch on the memory panicked".to_owned())?;
    sent.map_err(|reason| format!("{}, {}: {reason}", server.name(), framing.name()))?;
    let used = usage::of_family(pid).cpu - before.cpu;
    let mib = bytes as f64 / MIB;
    Ok(Cost {
        mib_per_second: mib / took,
        ms_per_gib: used / 1000.0 / (mib / 1024.0),
        grown: most - before.resident,
    })
}

/// Sends the request and waits for its answer.
fn send(address: SocketAddr, path: &str, framing: Framing, bytes: u64) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("POST http://{address}{path}: {e}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let framed = match framing {
        Framing::Length => format!("Content-Length: {bytes}"),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{framed}\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let (begin, end) = match framing {
        Framing::Length => (String::new(), ""),
        Framing::Chunked => (format!("{WRITE_BYTES:x}\r\n"), "\r\n"),
    };
    let room = vec![b'x'; WRITE_BYTES];
    let piece = [begin.as_bytes(), &room, end.as_bytes()].concat();
    for _ in 0..bytes / WRITE_BYTES as u64 {
        stream.write_all(&piece).map_err(failed)?;
    }
    if framing == Framing::Chunked {
        stream.write_all(b"0\r\n\r\n").map_err(failed)?;
    }
    let mut status = String::new();
    BufReader::new(&stream).read_line(&mut status).map_err(failed)?;
    if status.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("answered {status:?}")) }
}

/// Markdown. A ratio is that server's figure divided by ours.
fn table(rows: &[Row]) -> String {
    let mut text = "| upload | server | MiB/s | to us | CPU ms/GiB | to us | memory KiB |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let ours = rows.iter().find(|ours| ours.case == row.case && ours.server == Server::Us);
        let figure =
            |row: &Row, of: fn(&Cost) -> f64| median(&row.costs.iter().map(of).collect::<Vec<_>>());
        let to_us = |of| ratio(figure(row, of), ours.map(|ours| figure(ours, of)));
        let speed = |cost: &Cost| cost.mib_per_second;
        let cpu = |cost: &Cost| cost.ms_per_gib;
        text.push_str(&format!(
            "| {} | {} | {:.0} | {} | {:.0} | {} | {:.0} |\n",
            row.case,
            row.server.name(),
            figure(row, speed),
            to_us(speed),
            figure(row, cpu),
            to_us(cpu),
            figure(row, |cost| cost.grown),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parsed = Options::parse(&["--gib", "5", "--rounds", "2"]).unwrap();
        assert_eq!(parsed, Options { gib: 5, rounds: 2 });
        for (words, error) in [
            (&["--gib", "0"][..], "--gib 0: not from 1 to 100"),
            (&["--gib"], "--gib takes a value"),
            (&["--fast", "1"], "bench uploads knows no --fast"),
        ] {
            assert_eq!(Options::parse(words).unwrap_err(), error);
        }
    }

    #[test]
    fn ratios_are_to_us() {
        let cost = |ms_per_gib| Cost { mib_per_second: 1000.0, ms_per_gib, grown: 10.0 };
        let row = |server, ms| Row { case: "1 GiB".to_owned(), server, costs: vec![cost(ms)] };
        let table = table(&[row(Server::Us, 400.0), row(Server::Nginx, 600.0)]);
        assert!(table.contains("| 1 GiB | nginx | 1000 | 1.00 | 600 | 1.50 | 10 |"), "{table}");
    }
}
