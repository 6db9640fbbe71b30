//! The commands of m2sh: names, options, and which function does each.

mod access;
mod control;
mod help;
mod keygen;
mod list;
mod load;
mod log;
mod pid_file;
mod route;
mod select;
mod shell;
mod signal;
mod start;
mod uuid;

use std::path::PathBuf;

use crate::Terminal;
use crate::arguments::{OptionSpec, OptionValue, Options};
use crate::failure::Failure;
use crate::nearest::nearest;

use self::OptionValue::{Needed, None as Flag, Optional};

/// A command: what it is called, takes and does.
#[derive(Debug)]
pub struct Command {
    pub name: &'static str,
    pub summary: &'static str,
    pub options: &'static [OptionSpec],
    run: fn(&Options, &mut Terminal<'_>) -> Result<(), Failure>,
}

/// Runs a command line; without words, the shell.
///
/// # Errors
/// The command line cannot be carried out, or the command fails.
pub fn run(words: &[String], terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    match words.split_first() {
        None => shell::run(&Options::default(), terminal),
        Some((name, _)) if name.starts_with('-') => Err(Failure::NoCommand),
        Some((name, rest)) => {
            let command = find(name)?;
            let options = Options::parse(command.name, command.options, rest)?;
            (command.run)(&options, terminal)
        }
    }
}

fn find(name: &str) -> Result<&'static Command, Failure> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let nearest = nearest(name, COMMANDS.iter().map(|command| command.name));
        Failure::UnknownCommand { name: name.to_owned(), nearest }
    })
}

/// The value of an option that has a default, which is named when it is taken.
fn or_default(
    options: &Options,
    name: &'static str,
    default: &str,
    terminal: &mut Terminal<'_>,
) -> Result<String, Failure> {
    if let Some(value) = options.get(name) {
        return Ok(value.to_owned());
    }
    writeln!(terminal.err, "m2sh: no option --{name} given, using {default:?} as the default.")?;
    Ok(default.to_owned())
}

fn database(options: &Options, terminal: &mut Terminal<'_>) -> Result<PathBuf, Failure> {
    or_default(options, "db", "config.sqlite", terminal).map(PathBuf::from)
}

const fn option(name: &'static str, value: OptionValue, summary: &'static str) -> OptionSpec {
    OptionSpec { name, value, summary }
}

const DB: OptionSpec = option("db", Needed("FILE"), "the database (config.sqlite)");
const CONFIG: OptionSpec = option("config", Needed("FILE"), "the config file (mongrel2.conf)");
const EVERY: OptionSpec = option("every", Flag, "every server of the database");
const NAME: OptionSpec = option("name", Needed("NAME"), "the servers with that name");
const HOST: OptionSpec = option("host", Needed("HOST"), "the servers with that default host");
const UUID: OptionSpec = option("uuid", Needed("UUID"), "the server with that uuid");
const MURDER: OptionSpec = option("murder", Flag, "SIGTERM instead of SIGINT");
const SUDO: OptionSpec =
    option("sudo", Optional("COMMAND"), "put sudo, or that command, before the server's");
const URL: OptionSpec = option("url", Needed("URL"), "of a configuration module: not supported");
const STYLE: OptionSpec =
    option("style", Needed("MODULE"), "a configuration module: not supported");

const LOAD: &[OptionSpec] = &[DB, CONFIG];
const ONE: &[OptionSpec] = &[DB, EVERY, NAME, HOST, UUID];

/// In the order of `m2sh help`.
pub const COMMANDS: &[Command] = &[
    Command { name: "load", summary: "Load a config.", options: LOAD, run: load::run },
    Command { name: "config", summary: "Alias for load.", options: LOAD, run: load::run },
    Command {
        name: "shell",
        summary: "Starts an interactive shell.",
        options: &[],
        run: shell::run,
    },
    Command {
        name: "access",
        summary: "Prints the access log.",
        options: &[option("log", Needed("FILE"), "the access log (logs/access.log)")],
        run: access::run,
    },
    Command {
        name: "servers",
        summary: "Lists the servers in a config database.",
        options: &[DB],
        run: list::servers,
    },
    Command {
        name: "hosts",
        summary: "Lists the hosts in a server.",
        options: &[DB, option("server", Needed("NAME"), "the server's name")],
        run: list::hosts,
    },
    Command {
        name: "routes",
        summary: "Lists the routes in a host.",
        options: &[
            DB,
            option("host", Needed("NAME"), "the host's name, with -server"),
            option("server", Needed("NAME"), "the server's name"),
            option("id", Needed("ID"), "the host's id, alone"),
        ],
        run: list::routes,
    },
    Command {
        name: "commit",
        summary: "Adds a message to the log.",
        options: &[
            DB,
            option("what", Needed("TEXT"), "what was done"),
            option("why", Needed("TEXT"), "why it was done"),
            option("how", Needed("TEXT"), "with what it was done (m2sh)"),
            option("where", Needed("TEXT"), "where it was done (this machine)"),
        ],
        run: log::commit,
    },
    Command { name: "log", summary: "Prints the commit log.", options: &[DB], run: log::run },
    Command {
        name: "start",
        summary: "Starts a server.",
        options: &[DB, EVERY, NAME, HOST, UUID, SUDO, URL, STYLE],
        run: start::run,
    },
    Command {
        name: "stop",
        summary: "Stops a server.",
        options: &[DB, EVERY, NAME, HOST, UUID, MURDER],
        run: signal::stop,
    },
    Command { name: "reload", summary: "Reloads a server.", options: ONE, run: signal::reload },
    Command {
        name: "running",
        summary: "Tells you what's running.",
        options: ONE,
        run: signal::running,
    },
    Command {
        name: "control",
        summary: "Connects to the control port.",
        options: ONE,
        run: control::run,
    },
    Command {
        name: "route",
        summary: "Tests out routing patterns.",
        options: &[
            option("match", Needed("TEXT"), "the path or host name"),
            option("pattern", Needed("ROUTE"), "the route or host pattern"),
            option("suffix", Flag, "match host names, from their end"),
            option("reversed", Flag, "the same as -suffix"),
        ],
        run: route::run,
    },
    Command {
        name: "version",
        summary: "Prints the version of m2sh.",
        options: &[],
        run: help::version,
    },
    Command {
        name: "help",
        summary: "Get help, lists commands.",
        options: &[option("on", Needed("COMMAND"), "the command to explain")],
        run: help::run,
    },
    Command {
        name: "uuid",
        summary: "Prints out a randomly generated UUID.",
        options: &[],
        run: uuid::run,
    },
    Command {
        name: "keygen",
        summary: "Makes a key pair for handler.security curve.",
        options: &[option(
            "secret",
            Needed("FILE"),
            "the new file for the secret key; without it both are printed",
        )],
        run: keygen::run,
    },
];
