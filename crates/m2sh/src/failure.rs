//! Why a command failed, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use crate::nearest::hint;

/// A failed command. Mongrel2's m2sh exits with 255 for a command line it cannot carry out, and with 0
/// for most other failures; here those are 1.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no command is named {name:?}{}. Use m2sh help to find out what's available.", hint(*.nearest))]
    UnknownCommand { name: String, nearest: Option<&'static str> },
    #[error("no command name given. Use m2sh help to find out what's available.")]
    NoCommand,
    #[error("{command} takes {accepted}, not -{option}{}", hint(*.nearest))]
    UnknownOption {
        command: &'static str,
        option: String,
        nearest: Option<&'static str>,
        accepted: String,
    },
    #[error("commands only take --option style arguments, you have {count} extra: {words}")]
    ExtraWords { count: usize, words: String },
    #[error("{command} needs {what}")]
    MissingOption { command: &'static str, what: &'static str },
    #[error("--{option} is {value:?}, expected {expected}")]
    BadOption { option: &'static str, value: String, expected: &'static str },
    #[error("an argument is not UTF-8: {argument:?}")]
    NotUtf8 { argument: String },
    #[error("just one of -every, -name, -host and -uuid please; {given} given")]
    JustOne { given: usize },
    #[error("no servers matched -{option} {value}; {}", known_servers(known))]
    NoServersMatched { option: &'static str, value: String, known: Vec<String> },
    #[error("no servers matched -every; the database holds none")]
    NoServers,
    #[error("expected one server but {} match: {}", matched.len(), matched.join(", "))]
    Ambiguous { matched: Vec<String> },

    #[error("can't read the config file {path:?}")]
    ReadConfig { path: PathBuf, source: io::Error },
    #[error("{problems}; {} is as it was", database.display())]
    Refused { problems: String, database: PathBuf },
    #[error("can't read the database")]
    Open(#[from] store::OpenFault),
    #[error("can't write the database")]
    Write(#[from] store::WriteFault),
    #[error("can't open the access log {path:?}")]
    ReadLog { path: PathBuf, source: io::Error },
    #[error("can't start {program:?}")]
    Spawn { program: PathBuf, source: io::Error },
    #[error("can't run servers or ask them")]
    Runtime(#[source] io::Error),
    #[error("configuration modules (-url, -style) can't be loaded; make a database with m2sh load")]
    ConfigModule,
    #[error("can't read random bytes")]
    Random(#[source] io::Error),
    #[error("can't write the secret key to {path:?}")]
    WriteKey { path: PathBuf, source: io::Error },
    #[error("can't write the output")]
    Output(#[from] io::Error),
    #[error("the pattern {pattern:?} is malformed")]
    Pattern { pattern: String, source: site::PatternFault },
    #[error("can't ask the control port at {spec}")]
    Control { spec: String, source: bus::AskFault },
    #[error("{spec} did not answer as a control port does")]
    ControlReply { spec: String, source: wire::control::ReplySyntaxError },
    #[error("can't read the input")]
    Input(#[source] io::Error),
    #[error("{done} of {wanted} servers")]
    Some { done: usize, wanted: usize },
    /// The server's own exit status, which m2sh passes on.
    #[error("the server exited with status {0}")]
    Status(u8),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownCommand { .. }
            | Self::NoCommand
            | Self::UnknownOption { .. }
            | Self::ExtraWords { .. }
            | Self::MissingOption { .. }
            | Self::BadOption { .. }
            | Self::NotUtf8 { .. }
            | Self::JustOne { .. }
            | Self::NoServersMatched { .. }
            | Self::NoServers
            | Self::Ambiguous { .. } => 255,
            Self::Status(status) => *status,
            _ => 1,
        }
    }

    /// Whether everything there is to say was said where it happened.
    pub fn is_said(&self) -> bool {
        match self {
            Self::Status(_) | Self::Some { wanted: 1, .. } => true,
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }

    /// The message with the messages of all its causes, in one line.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

fn known_servers(servers: &[String]) -> String {
    match servers {
        [] => "the database holds none".to_owned(),
        servers => format!("there is {}", servers.join(", ")),
    }
}
