//! `demo`: build, start everything the demo page talks to, and take it all down on Ctrl-C.

pub(crate) mod backend;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::process::{self, Service, tied};
use crate::{tools, workspace};

const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often the supervisor looks whether one of its children ended.
const WATCH: Duration = Duration::from_millis(200);

/// What runs beside the server. `{python}` makes a row optional: it is left out without pyzmq.
const COMPANIONS: &[Companion] = &[
    Companion { name: "back end", command: &["{xtask}", "demo-backend", "{backend-port}"] },
    Companion { name: "handler (Rust)", command: &["{examples}/demo"] },
    Companion {
        name: "handler (Python)",
        command: &["{python}", "{root}/config/demo/handlers/hello.py"],
    },
];

/// A program of the demo; words in braces are filled in by `Place::fill`.
struct Companion {
    name: &'static str,
    command: &'static [&'static str],
}

/// Builds, starts everything, and stops everything on Ctrl-C or SIGTERM.
pub(crate) fn run() -> Result<(), String> {
    let build = ["build", "--package", "server", "--package", "m2sh"];
    process::run(&mut workspace::cargo(&build))?;
    process::run(&mut workspace::cargo(&["build", "--package", "handler", "--examples"]))?;
    let (tell, order) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody listens once we are stopping already.
        tell.send(()).ok();
    })
    .map_err(|e| format!("Ctrl-C: {e}"))?;
    let place = Place::prepare()?;
    let mut services = start(&place)?;
    println!("\n  open   http://127.0.0.1:{}/\n  stop   Ctrl-C\n", place.port);
    println!("  files  {}", place.directory.display());
    for service in &services {
        println!("  pid    {:<8} {}", service.pid(), service.name());
    }
    let verdict = watch(&mut services, &order);
    println!("\nstopping");
    // The server first: it ends what is in flight while its handlers still answer.
    services.iter_mut().for_each(Service::stop);
    println!("stopped");
    verdict
}

fn start(place: &Place) -> Result<Vec<Service>, String> {
    let log = |name: &str| {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        place.directory.join("logs").join(format!("{word}.out"))
    };
    let mut command = tied(place.programs.join("server"));
    command.args(["demo.sqlite", &place.uuid]).current_dir(&place.directory);
    let server = Service::start("server", &mut command, Some(&log("server")))?;
    let mut services = vec![server];
    for companion in COMPANIONS {
        let words: Option<Vec<String>> =
            companion.command.iter().map(|word| place.fill(word)).collect();
        let Some(words) = words else {
            println!("without {}: it needs python3 with pyzmq", companion.name);
            continue;
        };
        let Some((program, args)) = words.split_first() else { continue };
        if !Path::new(program).exists() {
            return Err(format!("{}: there is no {program}", companion.name));
        }
        let mut command = tied(program);
        command.args(args).current_dir(&place.directory);
        services.push(Service::start(companion.name, &mut command, Some(&log(companion.name)))?);
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, place.port));
    if let Some(server) = services.first_mut() {
        server.wait_for(address, START_PATIENCE).map_err(|reason| {
            let said = fs::read_to_string(log("server")).unwrap_or_default();
            format!("{reason}\n{}", said.trim_end())
        })?;
    }
    Ok(services)
}

/// Returns when the order to stop comes, or with an error when a service ended by itself.
fn watch(services: &mut [Service], order: &mpsc::Receiver<()>) -> Result<(), String> {
    while order.recv_timeout(WATCH).is_err() {
        for service in services.iter_mut() {
            if let Some(status) = service.exited_within(Duration::ZERO) {
                return Err(format!("{} ended by itself: {status}", service.name()));
            }
        }
    }
    Ok(())
}

/// Where the demo lives while it runs.
struct Place {
    directory: PathBuf,
    programs: PathBuf,
    python: Option<PathBuf>,
    uuid: String,
    port: u16,
    backend_port: u16,
}

impl Place {
    /// Copies the demo's files and loads its configuration into a fresh database.
    fn prepare() -> Result<Self, String> {
        let (root, target) = (workspace::root(), workspace::target()?);
        let directory = target.join("demo");
        let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(failed)?;
        }
        for part in ["logs", "run", "tmp"] {
            fs::create_dir_all(directory.join(part)).map_err(failed)?;
        }
        let pages = root.join("config/demo/static");
        copy(&pages, &directory.join("static")).map_err(|e| format!("{}: {e}", pages.display()))?;
        let config = root.join("config/demo.conf");
        let text = fs::read_to_string(&config).map_err(|e| format!("{}: {e}", config.display()))?;
        let programs = target.join("debug");
        let mut load = Command::new(programs.join("m2sh"));
        load.args(["load", "-db", "demo.sqlite", "-config"]).arg(&config).current_dir(&directory);
        process::run(&mut load)?;
        let value =
            |name| assigned(&text, name).ok_or_else(|| format!("{}: no {name}", config.display()));
        let number = |name| {
            let value: String = value(name)?;
            value.parse::<u16>().map_err(|_| format!("{}: {name} = {value}", config.display()))
        };
        Ok(Self {
            uuid: value("uuid")?,
            port: number("demo_port")?,
            backend_port: number("demo_backend_port")?,
            python: tools::python()?,
            directory,
            programs,
        })
    }

    /// Fills the braces of one word; `None` when what they name is not there.
    fn fill(&self, word: &str) -> Option<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let values = [
            ("{xtask}", std::env::current_exe().ok().map(|path| text(&path))),
            ("{examples}", Some(text(&self.programs.join("examples")))),
            ("{root}", Some(text(&workspace::root()))),
            ("{python}", self.python.as_deref().map(text)),
            ("{backend-port}", Some(self.backend_port.to_string())),
        ];
        let mut filled = word.to_owned();
        for (name, value) in values.into_iter().filter(|(name, _)| word.contains(name)) {
            filled = filled.replace(name, &value?);
        }
        Some(filled)
    }
}

/// The value of the first `name = value` in a configuration file.
fn assigned(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let value = right.trim().trim_end_matches(',').trim_matches(['"', '\'']);
        (left.trim() == name).then(|| value.to_owned())
    })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found() {
        let text = "demo_port = 6767\nmain = Server(\n  uuid=\"ab-cd\",\n  name='x'\n)";
        assert_eq!(assigned(text, "demo_port").as_deref(), Some("6767"));
        assert_eq!(assigned(text, "uuid").as_deref(), Some("ab-cd"));
        assert_eq!(assigned(text, "name").as_deref(), Some("x"));
        assert_eq!(assigned(text, "port"), None);
    }
}
