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
use crate::language::{Compiled, Diagnostic, Origins, Problem, Severity, Source, compile};

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
    let mut compiled = compile(source, mimetypes());
    let unread = !compiled.is_accepted();
    for Finding { severity, place, message } in findings(&compiled.rows) {
        let span = place.row.and_then(|row| compiled.origins.find(place.table, row, place.column));
        // In a file with errors rows are missing, and what refers to them would look wrong.
        let echo = span.is_none()
            || severity == Severity::Warning
            || matches!(place.column, "default_host" | "target_id" | "target_type" | "server_id")
            || compiled.diagnostics.iter().any(|known| known.span == span);
        if unread && echo {
            continue;
        }
        let message = in_file(&message, &place, &compiled.origins, source);
        compiled.diagnostics.push(Diagnostic { span, severity, problem: Problem::Fault(message) });
    }
    compiled.diagnostics.sort_by_key(|found| (found.span, found.severity));
    compiled.diagnostics.dedup();
    compiled
}

/// What every database begins with.
fn mimetypes() -> Vec<MimetypeRow> {
    let numbered = (1..).zip(store::default_mimetypes());
    let row = |(id, (extension, mimetype)): (i64, &(&str, &str))| MimetypeRow {
        id,
        mimetype: Cell::Text((*mimetype).to_owned()),
        extension: Cell::Text((*extension).to_owned()),
    };
    numbered.map(row).collect()
}

/// A fault or warning of `store`.
struct Finding {
    severity: Severity,
    place: Place,
    message: String,
}

fn findings(rows: &Rows) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut uuids = HashSet::new();
    for server in &rows.servers {
        let Cell::Text(uuid) = &server.uuid else { continue };
        if !uuids.insert(uuid) {
            continue;
        }
        match store::lower(rows, uuid) {
            Ok(lowered) => found.extend(lowered.warnings.into_iter().map(|warning| Finding {
                severity: Severity::Warning,
                message: warning.to_string(),
                place: warning.place,
            })),
            Err(faults) => found.extend(faults.0.into_iter().map(|fault| Finding {
                severity: Severity::Error,
                message: fault.to_string(),
                place: fault.place,
            })),
        }
    }
    found
}

/// Row ids are new with every load: `server row 1` becomes `the server in line 5`, and the row that
/// the message is about, whose line is shown, becomes `server`.
fn in_file(message: &str, place: &Place, origins: &Origins, source: &Source) -> String {
    let own = place.row.map(|row| format!("{} row {row}", place.table)).unwrap_or_default();
    let message = match message.strip_prefix(&own) {
        Some(rest) if !own.is_empty() => format!("{}{rest}", place.table),
        _ => message.to_owned(),
    };
    let mut words: Vec<String> = message.split(' ').map(str::to_owned).collect();
    for at in 1..words.len().saturating_sub(1) {
        let digits = words[at + 1].trim_end_matches(|end: char| !end.is_ascii_digit()).to_owned();
        let Ok(row) = digits.parse() else { continue };
        if words[at] != "row" {
            continue;
        }
        let Some(span) = origins.find(&words[at - 1], row, "") else { continue };
        let line = source.place(span.start).line;
        words[at - 1].insert_str(0, "the ");
        words[at] = "in line".to_owned();
        words[at + 1] = words[at + 1].replacen(&digits, &line.to_string(), 1);
    }
    words.join(" ")
}
