//! `bench peers`: this server beside Mongrel2, nginx and HAProxy, on one machine, in one run.
//!
//! All servers run at once and are measured one after the other, round by round, so that a slow
//! minute of the machine hits all of them. The figure that holds on a noisy machine is the CPU
//! time per request: what the kernel charged the server, its threads and its workers.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::fetch::fetch;
use super::fleet::{Fleet, Server};
use super::options::Options;
use super::report::{Idle, Report, Row};
use super::{build, load, usage};
use crate::{tools, workspace};

/// Set once the limit on open files was raised.
const LIMITS_RAISED: &str = "XTASK_LIMITS_RAISED";

/// One kind of work, and who can do it.
struct Case {
    name: &'static str,
    path: &'static str,
    /// Bytes of the body that a right answer has; `None` for the handler's own text.
    length: Option<u64>,
    servers: &'static [Server],
}

const FILES: &[Server] = &[Server::Us, Server::Mongrel2, Server::Nginx];
const HANDLERS: &[Server] = &[Server::Us, Server::Mongrel2];

/// The cases behind which a connection is weighed.
const IDLE_AFTER: &[&str] = &["handler", "static 1 KiB", "proxy"];

const CASES: &[Case] = &[
    Case { name: "handler", path: "/echo", length: None, servers: HANDLERS },
    Case { name: "static 1 KiB", path: "/static/1k.txt", length: Some(1024), servers: FILES },
    Case {
        name: "static 100 KiB",
        path: "/static/100k.txt",
        length: Some(100 * 1024),
        servers: FILES,
    },
    Case { name: "static 10 MiB", path: "/static/10m.txt", length: Some(10 << 20), servers: FILES },
    Case { name: "proxy", path: "/proxy", length: Some(1024), servers: &Server::ALL },
];

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::parse(words)?;
    if std::env::var_os(LIMITS_RAISED).is_none() {
        return raise_limits(words);
    }
    tools::ensure(tools::FOR_PEERS)?;
    if options.servers.contains(&Server::Us) {
        build::servers()?
    } else {
        build::handler()?
    }
    let directory = workspace::target()?.join("bench");
    let mut report = Report::default();
    if options.idle > 0 && "idle connection".contains(&options.only) {
        for case in CASES.iter().filter(|case| IDLE_AFTER.contains(&case.name)) {
            // A fleet of its own: memory that load left behind would hide what a connection takes.
            let fleet = Fleet::start(&directory, &options.servers)?;
            report.idle.append(&mut measure_idle(&fleet, case, &options)?);
        }
    }
    let fleet = Fleet::start(&directory, &options.servers)?;
    measure_load(&fleet, &options, &mut report)?;
    drop(fleet);
    println!("\n{}", report.table());
    match &options.record {
        Some(name) => report.record(name, &options),
        None => Ok(()),
    }
}

/// Starts this program again with as many open files as it may have; children inherit that.
fn raise_limits(words: &[&str]) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    let script = "ulimit -n \"$(ulimit -H -n)\"; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(own).args(["bench", "peers"]).args(words);
    Err(format!("sh: {}", shell.env(LIMITS_RAISED, "1").exec()))
}

fn measure_load(fleet: &Fleet, options: &Options, report: &mut Report) -> Result<(), String> {
    let cases = CASES.iter().filter(|case| case.name.contains(&options.only));
    for case in cases {
        let servers: Vec<Server> =
            case.servers.iter().copied().filter(|s| fleet.member(*s).is_some()).collect();
        for server in &servers {
            check(fleet, *server, case)?;
            measure(fleet, *server, case, 1)?;
        }
        let mut rows: Vec<Row> = servers.iter().map(|s| Row::new(case.name, *s)).collect();
        for round in 1..=options.rounds {
            for row in &mut rows {
                let (rate, cpu) = measure(fleet, row.server, case, options.seconds)?;
                println!(
                    "{:<15} {round} {:<9} {rate:>9.0}/s {cpu:>9.1} us",
                    case.name,
                    row.server.name()
                );
                row.add(rate, cpu);
            }
        }
        report.rows.append(&mut rows);
    }
    Ok(())
}

/// A fast wrong answer is no answer.
fn check(fleet: &Fleet, server: Server, case: &Case) -> Result<(), String> {
    let Some((address, _)) = fleet.member(server) else { return Ok(()) };
    let (_, length) = fetch(address, case.path)
        .map_err(|reason| format!("{}, {}: {reason}", server.name(), case.name))?;
    match case.length {
        Some(expected) if expected != length => {
            Err(format!("{}, {}: {length} bytes, not {expected}", server.name(), case.name))
        }
        _ => Ok(()),
    }
}

/// Requests per second, and CPU microseconds per request.
fn measure(fleet: &Fleet, server: Server, case: &Case, seconds: u32) -> Result<(f64, f64), String> {
    let Some((address, service)) = fleet.member(server) else {
        return Err(format!("{} does not run", server.name()));
    };
    let before = usage::of_family(service.pid());
    let load = load::run(address, case.path, seconds)
        .map_err(|reason| format!("{}, {}: {reason}", server.name(), case.name))?;
    let after = usage::of_family(service.pid());
    Ok((load.requests_per_second, (after.cpu - before.cpu) / load.requests))
}

/// KiB of memory per connection that made one request of this kind and keeps quiet.
fn measure_idle(fleet: &Fleet, case: &Case, options: &Options) -> Result<Vec<Idle>, String> {
    let mut measured = Vec::new();
    for server in options.servers.iter().filter(|server| case.servers.contains(server)) {
        let Some((address, service)) = fleet.member(*server) else { continue };
        // It keeps a connection to the back end for each client, and runs out of them.
        if (*server, case.name) == (Server::Mongrel2, "proxy") {
            continue;
        }
        let open = |count: usize| {
            let streams = (0..count).map(|_| fetch(address, case.path).map(|(stream, _)| stream));
            streams.collect::<Result<Vec<TcpStream>, String>>()
        };
        // The first hundred pay for what is made once.
        let warm = open(100)?;
        let before = usage::of_family(service.pid());
        let held = open(options.idle)?;
        let after = usage::of_family(service.pid());
        drop((warm, held));
        let count = f64::from(u32::try_from(options.idle).unwrap_or(u32::MAX));
        let each = (after.resident - before.resident) / count;
        println!("idle after {:<12} {:<9} {each:>9.2} KiB", case.name, server.name());
        measured.push(Idle { after: case.name, server: *server, each });
    }
    Ok(measured)
}
