//! `load`: a configuration file into the database, whole or not at all.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use store::rows::{Cell, MimetypeRow, Rows};
use store::{LogEntry, Place};

use super::{database, log, or_default};
use crate::Terminal;
use crate::arguments::Options;
use crate::failure::Failure;
use crate::language::{Compiled, Diagnostic, Problem, Severity, Source, compile};

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let database = database(options, terminal)?;
    let config = or_default(options, "config", "mongrel2.conf", terminal)?;
    let bytes = fs::read(&config)
        .map_err(|source| Failure::ReadConfig { path: config.clone().into(), source })?;
    let source = Source::new(&config, bytes);
    let compiled = check(&source);
    for diagnostic in &compiled.diagnostics {
        write!(terminal.err, "{}", diagnostic.render(&source))?;
    }
    let errors = compiled.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    match errors.count() {
        0 => store(&database, &config, &compiled.rows),
        count => {
            let problems =
                format!("{count} {} in {config}", if count == 1 { "error" } else { "errors" });
            Err(Failure::Refused { problems, database })
        }
    }
}

fn store(database: &Path, config: &str, rows: &Rows) -> Result<(), Failure> {
    let entry = LogEntry {
        who: log::who(),
        what: "load".to_owned(),
        location: log::location(),
        how: config.to_owned(),
        why: "command".to_owned(),
    };
    Ok(store::replace(database, rows, Some(&entry))?)
}

/// Compiles the file and asks `store` what a server would say to its rows.
pub(super) fn check(source: &Source) -> Compiled {
    let mimetypes = (1..)
        .zip(store::default_mimetypes())
        .map(|(id, (extension, mimetype))| MimetypeRow {
            id,
            mimetype: Cell::Text((*mimetype).to_owned()),
            extension: Cell::Text((*extension).to_owned()),
        })
        .collect();
    let mut compiled = compile(source, mimetypes);
    let unread = !compiled.is_accepted();
    let mut found = Vec::new();
    let mut uuids = HashSet::new();
    for server in &compiled.rows.servers {
        let Cell::Text(uuid) = &server.uuid else { continue };
        if !uuids.insert(uuid) {
            continue;
        }
        match store::lower(&compiled.rows, uuid) {
            Ok(lowered) => found.extend(lowered.warnings.into_iter().map(|warning| {
                (Severity::Warning, warning.place.clone(), without_row(&warning.place, &warning))
            })),
            Err(faults) => found.extend(faults.0.into_iter().map(|fault| {
                (Severity::Error, fault.place.clone(), without_row(&fault.place, &fault))
            })),
        }
    }
    for (severity, place, message) in found {
        let span = place.row.and_then(|row| compiled.origins.find(place.table, row, place.column));
        // In a file with errors rows are missing, and what refers to them would look wrong.
        let echo = span.is_none()
            || matches!(place.column, "default_host" | "target_id" | "target_type" | "server_id")
            || compiled.diagnostics.iter().any(|known| known.span == span);
        if !(unread && echo) {
            let problem = Problem::Fault(message);
            compiled.diagnostics.push(Diagnostic { span, severity, problem });
        }
    }
    compiled.diagnostics.sort_by_key(|found| (found.span, found.severity));
    compiled.diagnostics.dedup();
    compiled
}

/// Row ids are new with every load: the file's line says better which row is meant.
fn without_row(place: &Place, message: &impl ToString) -> String {
    let Some(row) = place.row else { return message.to_string() };
    message.to_string().replacen(&format!("{} row {row}", place.table), place.table, 1)
}
