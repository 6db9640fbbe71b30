//! `bench links`: round trips from a server to handlers that echo and back, over our link, over
//! libzmq's own PUSH and SUB, and over those of the `zeromq` crate.
//!
//! The handlers are the same for all, on libzmq. Each measurement has processes of its own; they
//! take turns, round by round, so that a slow minute of the machine hits all of them. The CPU time
//! is that of the server's side.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use super::report::{median, ratio};
use super::{build, options, record};
use crate::process::{self, Service, tied};
use crate::{tools, workspace};

/// Whose sockets the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sockets {
    Ours,
    Libzmq,
    Crate,
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    seconds: u32,
    rounds: u32,
    handlers: Vec<u32>,
    in_flight: u32,
    bytes: u32,
    record: Option<String>,
}

/// What one measurement printed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trips {
    per_second: f64,
    /// CPU time of the server's side for each, in microseconds.
    cpu: f64,
    /// How long they took, in microseconds.
    p50: f64,
    p99: f64,
}

#[derive(Debug)]
struct Row {
    handlers: u32,
    sockets: Sockets,
    rounds: Vec<Trips>,
}

/// The programs, built.
#[derive(Debug)]
struct Programs {
    /// Of the link and of the crate.
    rust: PathBuf,
    libzmq: PathBuf,
    echo: PathBuf,
}

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::parse(words)?;
    tools::ensure(&[tools::CC])?;
    tools::ensure_libraries();
    let programs = Programs::build()?;
    let mut rows = Vec::new();
    for &handlers in &options.handlers {
        let mut case = Sockets::ALL.map(|sockets| Row { handlers, sockets, rounds: Vec::new() });
        for round in 1..=options.rounds {
            for row in &mut case {
                let trips = programs.measure(row.sockets, handlers, &options)?;
                println!("{handlers} handlers {round} {:<6} {trips}", row.sockets.name());
                row.rounds.push(trips);
            }
        }
        rows.extend(case);
    }
    let table = table(&rows);
    println!("\n{table}");
    match &options.record {
        Some(name) => {
            let versions =
                [("libzmq", record::package("libzmq3-dev")), ("the crate", crate_version()?)];
            record::write(name, &versions, &options.how(), &table)
        }
        None => Ok(()),
    }
}

impl Sockets {
    const ALL: [Self; 3] = [Self::Ours, Self::Libzmq, Self::Crate];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "us",
            Self::Libzmq => "libzmq",
            Self::Crate => "zeromq",
        }
    }
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            seconds: 2,
            rounds: 9,
            handlers: vec![1, 4],
            in_flight: 64,
            bytes: 256,
            record: None,
        };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} takes a value"))?;
            let number = || options::positive(option, value);
            match *option {
                "--seconds" => options.seconds = number()?,
                "--rounds" => options.rounds = number()?,
                "--in-flight" => options.in_flight = number()?,
                "--bytes" => options.bytes = number()?,
                "--handlers" => {
                    let numbers = value.split(',').map(|word| options::positive(option, word));
                    options.handlers = numbers.collect::<Result<_, _>>()?;
                }
                "--record" => options.record = Some((*value).to_owned()),
                _ => return Err(format!("bench links knows no {option}")),
            }
        }
        Ok(options)
    }

    fn how(&self) -> String {
        let Self { seconds, rounds, in_flight, bytes, .. } = self;
        format!(
            "- {in_flight} messages of {bytes} bytes in flight, {seconds} s a measurement, median \
             of {rounds} rounds, interleaved, all on one machine over loopback; `best` is the round \
             that the machine disturbed least\n\
             - the handlers are processes of their own, on libzmq; the CPU time is that of the \
             server's side alone"
        )
    }
}

impl Programs {
    fn build() -> Result<Self, String> {
        build::build(&["--package", "bus", "--example", "round_trips"])?;
        let directory = workspace::target()?.join("bench-links");
        fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let compile = |name: &str| {
            let source = workspace::root().join("benches/links").join(name).with_extension("c");
            let program = directory.join(name);
            let mut cc = Command::new("cc");
            cc.args(["-O2", "-o"]).arg(&program).arg(source).arg("-lzmq");
            process::run(&mut cc).map(|()| program)
        };
        let rust = build::programs()?.join("examples/round_trips");
        Ok(Self { rust, libzmq: compile("round_trips")?, echo: compile("echo")? })
    }

    fn measure(&self, sockets: Sockets, handlers: u32, options: &Options) -> Result<Trips, String> {
        let specs = specs()?;
        let mut echoes = Vec::new();
        for _ in 0..handlers {
            // They wait for whoever binds.
            echoes.push(Service::start("echo", tied(&self.echo).args(&specs), None)?);
        }
        let mut command = match sockets {
            Sockets::Ours | Sockets::Crate => Command::new(&self.rust),
            Sockets::Libzmq => Command::new(&self.libzmq),
        };
        match sockets {
            Sockets::Ours => _ = command.arg("link"),
            Sockets::Crate => _ = command.arg("crate"),
            Sockets::Libzmq => {}
        }
        let Options { in_flight, seconds, bytes, .. } = options;
        let numbers = [in_flight, seconds, bytes, &handlers].map(u32::to_string);
        let text = process::capture(command.args(&specs).args(numbers))?;
        Trips::parse(&text).ok_or_else(|| format!("{}: {text}", sockets.name()))
    }
}

impl Trips {
    /// Four numbers among words.
    fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let &[per_second, cpu, p50, p99] = numbers.as_slice() else { return None };
        (per_second > 0.0).then_some(Self { per_second, cpu, p50, p99 })
    }

    /// Of each figure.
    fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        Self {
            per_second: of(|trips| trips.per_second),
            cpu: of(|trips| trips.cpu),
            p50: of(|trips| trips.p50),
            p99: of(|trips| trips.p99),
        }
    }
}

impl std::fmt::Display for Trips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { per_second, cpu, p50, p99 } = self;
        write!(f, "{per_second:>8.0}/s {cpu:>6.2} us CPU, p50 {p50:>5.0} us, p99 {p99:>5.0} us")
    }
}

/// Two addresses that nobody has.
fn specs() -> Result<[String; 2], String> {
    let failed = |e| format!("no free port: {e}");
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed);
    // Both are held until both are found, so that none is given twice.
    let (send, recv) = (listen()?, listen()?);
    let spec = |listener: &TcpListener| {
        listener.local_addr().map(|address| format!("tcp://{address}")).map_err(failed)
    };
    Ok([spec(&send)?, spec(&recv)?])
}

/// Of the one that the SDK uses.
fn crate_version() -> Result<String, String> {
    let lock = workspace::root().join("Cargo.lock");
    let text = fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let found = text.split_once("name = \"zeromq\"\nversion = \"");
    let version = found.and_then(|(_, rest)| rest.split_once('"'));
    Ok(version.map(|(version, _)| version.to_owned()).unwrap_or_default())
}

/// The rate of the round that the machine disturbed least.
fn best(rounds: &[Trips]) -> f64 {
    rounds.iter().map(|trips| trips.per_second).fold(0.0, f64::max)
}

/// Markdown. A ratio is that figure divided by ours.
fn table(rows: &[Row]) -> String {
    let mut text = "| handlers | sockets | round trips/s | to us | best | to us | CPU us each | \
                    to us | p50 us | p99 us |\n\
                    | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let is_ours = |r: &&Row| r.handlers == row.handlers && r.sockets == Sockets::Ours;
        let ours = rows.iter().find(is_ours).map(|ours| ours.rounds.as_slice());
        let to_us = |figure: fn(&[Trips]) -> f64| ratio(figure(&row.rounds), ours.map(figure));
        let Trips { per_second, cpu, p50, p99 } = Trips::median(&row.rounds);
        let (handlers, name, best_rate) = (row.handlers, row.sockets.name(), best(&row.rounds));
        let rates = to_us(|rounds| Trips::median(rounds).per_second);
        let cpus = to_us(|rounds| Trips::median(rounds).cpu);
        let bests = to_us(best);
        text.push_str(&format!(
            "| {handlers} | {name} | {per_second:.0} | {rates} | {best_rate:.0} | {bests} | \
             {cpu:.2} | {cpus} | {p50:.0} | {p99:.0} |\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(per_second: f64, cpu: f64) -> Trips {
        Trips { per_second, cpu, p50: 200.0, p99: 900.0 }
    }

    #[test]
    fn options() {
        let parsed = Options::parse(&["--handlers", "2,8", "--bytes", "64"]).unwrap();
        assert_eq!((parsed.handlers, parsed.bytes, parsed.in_flight), (vec![2, 8], 64, 64));
        for (words, error) in [
            (&["--handlers", "1,0"][..], "--handlers 0: not a number above 0"),
            (&["--rounds"], "--rounds takes a value"),
            (&["--fast", "1"], "bench links knows no --fast"),
        ] {
            assert_eq!(Options::parse(words).unwrap_err(), error);
        }
    }

    #[test]
    fn lines_of_either_program() {
        let line = "180000 round trips/s, 4.25 us of CPU each, p50 200 us, p99 900 us\n";
        assert_eq!(Trips::parse(line), Some(trips(180_000.0, 4.25)));
        assert_eq!(Trips::parse("0 round trips/s, 0 us of CPU each, p50 0 us, p99 0 us"), None);
        assert_eq!(Trips::parse("cannot bind: Address already in use"), None);
    }

    #[test]
    fn ratios_are_to_us() {
        let row = |sockets, rounds| Row { handlers: 4, sockets, rounds };
        let table = table(&[
            row(Sockets::Ours, vec![trips(100.0, 4.0)]),
            row(Sockets::Libzmq, vec![trips(60.0, 8.0), trips(50.0, 6.0), trips(40.0, 5.0)]),
        ]);
        assert!(
            table.contains("| 4 | us | 100 | 1.00 | 100 | 1.00 | 4.00 | 1.00 | 200 | 900 |"),
            "{table}"
        );
        let theirs = "| 4 | libzmq | 50 | 0.50 | 60 | 0.60 | 6.00 | 1.50 | 200 | 900 |";
        assert!(table.contains(theirs), "{table}");
    }
}
