//! The servers of the comparison: their configurations, their processes, their addresses.

mod configs;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::build;
use crate::process::{self, Service, tied};

const START_PATIENCE: Duration = Duration::from_secs(20);
pub(super) const UUID: &str = "f400bf85-4538-4f7a-8908-67e313d515c2";

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Us,
    Mongrel2,
    Nginx,
    Haproxy,
}

impl Server {
    pub(super) const ALL: [Self; 4] = [Self::Us, Self::Mongrel2, Self::Nginx, Self::Haproxy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Mongrel2 => "mongrel2",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }
}

/// Free ports of this machine, found once per fleet.
#[derive(Debug)]
struct Ports {
    server: [u16; 4],
    upstream: u16,
    /// For us and for Mongrel2: where the handler connects PULL and PUB.
    handler: [[u16; 2]; 2],
}

impl Ports {
    fn find() -> Result<Self, String> {
        // All are held until all are found, so that none is given twice.
        let held: Vec<TcpListener> = (0..9)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .map_err(|e| format!("no free port: {e}"))?;
        let ports: Vec<u16> =
            held.iter().filter_map(|l| l.local_addr().ok().map(|a| a.port())).collect();
        let [a, b, c, d, upstream, e, f, g, h] =
            ports.try_into().map_err(|_| "no free port".to_owned())?;
        Ok(Self { server: [a, b, c, d], upstream, handler: [[e, f], [g, h]] })
    }
}

/// All servers of the comparison, running.
#[derive(Debug)]
pub(super) struct Fleet {
    servers: Vec<(Server, SocketAddr, Service)>,
    /// Upstream and handlers; stopped when the fleet goes.
    _companions: Vec<Service>,
}

impl Fleet {
    /// Starts everything in `directory`, which is emptied first.
    pub(super) fn start(directory: &Path, wanted: &[Server]) -> Result<Self, String> {
        let ports = Ports::find()?;
        prepare(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let programs = build::programs()?;
        let yard = Yard { directory: directory.to_owned(), programs, ports };
        let mut companions = vec![yard.upstream()?];
        let mut servers = Vec::new();
        for server in wanted {
            servers.push((*server, yard.address(*server), yard.start(*server)?));
            if let Server::Us | Server::Mongrel2 = server {
                companions.push(yard.handler(*server)?);
            }
        }
        Ok(Self { servers, _companions: companions })
    }

    pub(super) fn member(&self, wanted: Server) -> Option<(SocketAddr, &Service)> {
        let found = self.servers.iter().find(|(server, _, _)| *server == wanted);
        found.map(|(_, address, service)| (*address, service))
    }
}

/// Where a fleet is built.
struct Yard {
    directory: PathBuf,
    programs: PathBuf,
    ports: Ports,
}

impl Yard {
    fn address(&self, server: Server) -> SocketAddr {
        let [us, mongrel2, nginx, haproxy] = self.ports.server;
        let port = match server {
            Server::Us => us,
            Server::Mongrel2 => mongrel2,
            Server::Nginx => nginx,
            Server::Haproxy => haproxy,
        };
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn start(&self, server: Server) -> Result<Service, String> {
        let port = self.address(server).port();
        let upstream = self.ports.upstream;
        let (mut command, config) = match server {
            Server::Us | Server::Mongrel2 => {
                return self.start_mongrel(server);
            }
            Server::Nginx => (nginx(), configs::nginx(port, upstream)),
            Server::Haproxy => {
                let mut command = tied("haproxy");
                command.args(["-db", "-f"]);
                (command, configs::haproxy(port, upstream))
            }
        };
        self.launch(server.name(), command.arg(self.write(server.name(), &config)?), port)
    }

    /// Us and Mongrel2: one configuration file, each loaded by its own tool.
    fn start_mongrel(&self, server: Server) -> Result<Service, String> {
        let name = server.name();
        let port = self.address(server).port();
        let [ours, theirs] = self.ports.handler;
        let (handler, load, run) = match server {
            Server::Us => (ours, self.programs.join("m2sh"), self.programs.join("server")),
            _ => (theirs, "m2sh".into(), "mongrel2".into()),
        };
        let config = self.write(name, &configs::mongrel2(port, handler, self.ports.upstream))?;
        let database = self.directory.join(format!("{name}.sqlite"));
        let mut m2sh = Command::new(load);
        m2sh.arg("load").arg("-db").arg(&database).arg("-config").arg(config);
        m2sh.env("LOGNAME", "bench").current_dir(&self.directory);
        process::capture(&mut m2sh)?;
        self.launch(name, tied(run).arg(&database).arg(UUID), port)
    }

    /// The handler of the handler case; it connects, so nothing can be waited for here.
    fn handler(&self, server: Server) -> Result<Service, String> {
        let [ours, theirs] = self.ports.handler;
        let [send, recv] = if server == Server::Us { ours } else { theirs };
        let specs = [send, recv].map(|port| format!("tcp://127.0.0.1:{port}"));
        let log = self.directory.join(format!("{}-handler.out", server.name()));
        let mut command = tied(self.programs.join("echo_handler"));
        // The names of uploads are relative to where the server runs.
        command.args(specs).current_dir(&self.directory);
        Service::start("echo_handler", &mut command, Some(&log))
    }

    /// What all proxies stand in front of.
    fn upstream(&self) -> Result<Service, String> {
        let port = self.ports.upstream;
        let config = self.write("upstream", &configs::upstream(port))?;
        self.launch("upstream", nginx().arg(config), port)
    }

    fn launch(&self, name: &str, command: &mut Command, port: u16) -> Result<Service, String> {
        let log = self.directory.join(format!("{name}.out"));
        let mut service = Service::start(name, command.current_dir(&self.directory), Some(&log))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        service.wait_for(address, START_PATIENCE).map_err(|reason| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            format!("{reason}\n{}", said.trim_end())
        })?;
        Ok(service)
    }

    fn write(&self, name: &str, config: &str) -> Result<PathBuf, String> {
        let path = self.directory.join(format!("{name}.conf"));
        let config = config.replace("{dir}", &self.directory.to_string_lossy());
        fs::write(&path, config).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }
}

fn nginx() -> Command {
    let mut command = tied("nginx");
    command.args(["-e", "stderr", "-c"]);
    command
}

/// An empty directory with the files to serve.
fn prepare(directory: &Path) -> std::io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    for part in ["static", "logs", "run", "tmp"] {
        fs::create_dir_all(directory.join(part))?;
    }
    for (name, size) in [("1k.txt", 1024), ("100k.txt", 100 * 1024), ("10m.txt", 10 << 20)] {
        let text: Vec<u8> = b"the quick brown fox jumps over the lazy dog and runs\n"
            .iter()
            .copied()
            .cycle()
            .take(size)
            .collect();
        fs::write(directory.join("static").join(name), text)?;
    }
    Ok(())
}
