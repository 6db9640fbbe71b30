//! From rows to a `Site`: every check a configuration has to pass, all faults at once.

use std::path::Path;

use site::Site;

use crate::fault::{Faults, Warning};
use crate::read::OpenFault;
use crate::rows::Rows;

/// A server that can start, and what to tell its operator.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub site: Site,
    pub warnings: Vec<Warning>,
}

/// Why a server can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    #[error("the configuration can't be opened")]
    Open(#[from] OpenFault),
    #[error("there is no server '{uuid}'{}; the database has: {}", nearest_text(nearest.as_deref()), list(known))]
    UnknownServer {
        uuid: String,
        known: Vec<ServerLine>,
        /// The uuid that looks most like the one asked for.
        nearest: Option<String>,
    },
    #[error("the configuration of server '{uuid}' has faults")]
    Faults {
        uuid: String,
        #[source]
        faults: Faults,
    },
}

/// A row of `server` for messages: cells that are not what they should be are shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLine {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub default_host: String,
    pub bind_addr: String,
    pub port: String,
    pub use_ssl: bool,
}

/// All servers of a database.
pub fn servers(rows: &Rows) -> Vec<ServerLine> {
    let _ = rows;
    Vec::new()
}

/// Checks the configuration of one server.
///
/// # Errors
/// Every fault there is; an unknown uuid is one.
pub fn lower(rows: &Rows, uuid: &str) -> Result<Lowered, Faults> {
    let _ = (rows, uuid);
    Err(Faults(Vec::new()))
}

/// Reads a database and checks one server of it.
///
/// # Errors
/// The database can't be read, has no such server, or the server has faults.
pub fn load(path: &Path, uuid: &str) -> Result<Lowered, LoadFault> {
    let rows = crate::read::read(path)?;
    lower(&rows, uuid).map_err(|faults| LoadFault::Faults { uuid: uuid.to_owned(), faults })
}

fn nearest_text(nearest: Option<&str>) -> String {
    nearest.map(|uuid| format!(" (did you mean '{uuid}'?)")).unwrap_or_default()
}

fn list(servers: &[ServerLine]) -> String {
    if servers.is_empty() {
        return "no servers".to_owned();
    }
    let lines: Vec<String> =
        servers.iter().map(|server| format!("{} ({})", server.uuid, server.name)).collect();
    lines.join(", ")
}
