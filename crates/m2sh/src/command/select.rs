//! Which servers of the database a command is for.

use std::path::PathBuf;

use store::rows::{Cell, Rows, ServerRow};

use super::{database, list::text};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;

/// The servers that the options select, at least one.
pub(super) struct Selection {
    pub(super) database: PathBuf,
    pub(super) rows: Rows,
    pub(super) servers: Vec<ServerRow>,
}

const SELECTORS: [&str; 4] = ["every", "name", "host", "uuid"];

/// Reads the database and picks by the one of `-every`, `-name`, `-host`, `-uuid` that is given.
pub(super) fn select(options: &Options, terminal: &mut Terminal<'_>) -> Result<Selection, Failure> {
    let given: Vec<_> = SELECTORS.into_iter().filter(|name| options.has(name)).collect();
    let [selector] = given[..] else { return Err(Failure::JustOne { given: given.len() }) };
    let database = database(options, terminal)?;
    let rows = store::read(&database)?;
    let wanted = options.get(selector).unwrap_or_default();
    let is = |cell: &Cell| matches!(cell, Cell::Text(text) if text == wanted);
    let matches = |server: &&ServerRow| match selector {
        "name" => is(&server.name),
        "host" => is(&server.default_host),
        "uuid" => is(&server.uuid),
        _ => true,
    };
    let servers: Vec<ServerRow> = rows.servers.iter().filter(matches).cloned().collect();
    if !servers.is_empty() {
        return Ok(Selection { database, rows, servers });
    }
    if selector == "every" {
        return Err(Failure::NoServers);
    }
    let known = rows.servers.iter().map(|server| {
        match selector {
            "name" => text(&server.name),
            "host" => text(&server.default_host),
            _ => text(&server.uuid),
        }
        .to_owned()
    });
    let known = known.collect();
    Err(Failure::NoServersMatched { option: selector, value: wanted.to_owned(), known })
}

/// What a message calls a server.
pub(super) fn label(server: &ServerRow) -> String {
    format!("{} ({})", text(&server.name), text(&server.uuid))
}
