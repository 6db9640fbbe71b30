//! `test`: everything CI runs, in CI's order, stopped by the first red.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{layers, tidy, tools, workspace};

pub(crate) fn run() -> Result<(), String> {
    let mut python = None;
    let mut node_path = None;
    let mut counts = Counts::default();
    step("fmt", || cargo(&["fmt", "--all", "--check"]))?;
    step("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    step("tidy", tidy::run)?;
    step("layers", layers::run)?;
    step("tools", || {
        tools::ensure(tools::FOR_TESTS)?;
        tools::ensure_libraries();
        python = tools::python()?;
        node_path = tools::node_path()?;
        Ok(())
    })?;
    step("test", || {
        let mut command = command(&["test", "--workspace", "--no-fail-fast"]);
        if let Some(python) = &python {
            command.env("LURCHER_PYTHON", python);
        }
        if let Some(node_path) = &node_path {
            command.env("NODE_PATH", node_path);
        }
        counts = counted(&mut command)?;
        counts.verdict()
    })?;
    step("doc", || cargo(&["doc", "--workspace", "--no-deps", "--quiet"]))?;
    println!("{} passed, {} failed, {} ignored", counts.passed, counts.failed, counts.ignored);
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("==    {name}");
    let began = Instant::now();
    let result = work();
    let word = if result.is_ok() { "ok" } else { "RED" };
    println!("{word:<5} {name} ({:.1} s)", began.elapsed().as_secs_f64());
    result.map_err(|reason| format!("{name}: {reason}"))
}

fn cargo(args: &[&str]) -> Result<(), String> {
    crate::process::run(&mut command(args))
}

/// Cargo, as a clean machine runs it: the lock file holds and warnings in documents are errors.
fn command(args: &[&str]) -> Command {
    let mut command = workspace::cargo(args);
    command.env("RUSTDOCFLAGS", "-D warnings").env("RUST_BACKTRACE", "1");
    if workspace::in_ci() {
        command.env("CARGO_TERM_COLOR", "never").env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// What the test programs counted, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// Whether cargo itself was content; a test program that crashes prints no counts.
    is_green: bool,
}

impl Counts {
    /// Adds up a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let (number, word) = part.split_once(' ').unwrap_or_default();
            let number = number.parse().unwrap_or(0);
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn verdict(&self) -> Result<(), String> {
        match self {
            Self { failed: 1.., .. } => {
                Err(format!("{} passed, {} failed", self.passed, self.failed))
            }
            Self { is_green: false, .. } => Err("cargo test failed".to_owned()),
            Self { passed: 0, .. } => Err("not one test ran".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Runs the tests with their output passed through, and counts.
fn counted(command: &mut Command) -> Result<Counts, String> {
    let spawned = command.stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| format!("cargo test: {e}"))?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|e| format!("cargo test: {e}"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.add(&line);
        }
    }
    let status = child.wait().map_err(|e| format!("cargo test: {e}"))?;
    counts.is_green = status.success();
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s");
        counts.add("test a::b ... ok");
        counts
            .add("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (7, 3, 1));
    }

    #[test]
    fn verdicts() {
        let counts = |passed, failed, is_green| Counts { passed, failed, ignored: 0, is_green };
        assert_eq!(counts(1, 0, true).verdict(), Ok(()));
        assert!(counts(1, 1, false).verdict().is_err());
        assert!(counts(1, 0, false).verdict().is_err(), "a crash is not green");
        assert!(counts(0, 0, true).verdict().is_err(), "nothing ran");
    }
}
