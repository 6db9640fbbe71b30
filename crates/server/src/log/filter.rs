//! What is logged: the environment variable `LURCHER_LOG`, such as `debug` or `edge=trace`.

use std::env::{self, VarError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

const VARIABLE: &str = "LURCHER_LOG";
const DEFAULT: &str = "info";
/// What a filter may name.
const PARTS: [&str; 8] = ["bus", "edge", "http1", "hyper", "server", "targets", "tokio", "zmtp"];

/// The filter, and what is wrong with the variable where `info` stands in for it.
pub(super) fn from_environment() -> (EnvFilter, Option<String>) {
    let parsed = match env::var(VARIABLE) {
        Err(VarError::NotPresent) => return (EnvFilter::new(DEFAULT), None),
        Err(VarError::NotUnicode(_)) => Err("it is not UTF-8".to_owned()),
        Ok(text) if text.trim().is_empty() => return (EnvFilter::new(DEFAULT), None),
        Ok(text) => parse(&text),
    };
    match parsed {
        Ok(filter) => (filter, None),
        Err(fault) => (
            EnvFilter::new(DEFAULT),
            Some(format!("{VARIABLE} is not understood, logging {DEFAULT}: {fault}")),
        ),
    }
}

fn parse(text: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::try_new(text).map_err(|fault| fault.to_string())?;
    // A span's fields may hold commas of their own.
    if !text.contains('[') {
        text.split(',').try_for_each(check)?;
    }
    Ok(filter)
}

/// The library takes any word for the name of a part, and then logs nothing but that part.
fn check(directive: &str) -> Result<(), String> {
    let word = directive.trim().split('=').next().unwrap_or_default();
    let part = word.split("::").next().unwrap_or_default();
    if word.is_empty() || word.parse::<LevelFilter>().is_ok() || PARTS.contains(&part) {
        return Ok(());
    }
    Err(format!(
        "'{word}' must be a level (off, error, warn, info, debug, trace) or a part of the server ({})",
        PARTS.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_taken_or_their_fault_is_said() {
        for (text, fault) in [
            ("debug", ""),
            ("info,edge=trace", ""),
            ("targets::proxy=debug,off", ""),
            ("edge[connection]=trace", ""),
            ("nonsense", "'nonsense' must be a level"),
            ("info,egde=trace", "'egde' must be a level"),
            ("edge=loud", "error parsing level filter"),
        ] {
            let found = parse(text).err().unwrap_or_default();
            assert!(found.starts_with(fault), "{text}: {found}");
            assert_eq!(found.is_empty(), fault.is_empty(), "{text}: {found}");
        }
    }
}
