//! `nightly`: checks that take too long for every change.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{process, workspace};

const SEEDS: &str = "10000";
const SECONDS_PER_TARGET: &str = "600";

pub(crate) fn run() -> Result<(), String> {
    simulate()?;
    let targets = fuzz_targets(&workspace::root().join("crates"))?;
    for FuzzTarget { package, name } in &targets {
        println!("==    fuzz {name} ({})", package.display());
        fuzz(package, name)?;
    }
    println!("ok    {SEEDS} seeds, {} fuzz targets", targets.len());
    Ok(())
}

fn simulate() -> Result<(), String> {
    println!("==    {SEEDS} seeds");
    let mut test = workspace::cargo(&["test", "--release", "--package", "edge", "simulation"]);
    process::run(test.env("LURCHER_SEEDS", SEEDS))
}

/// Needs cargo-fuzz and a nightly compiler; what it finds stays in the package's `artifacts`.
fn fuzz(package: &Path, target: &str) -> Result<(), String> {
    let seconds = format!("-max_total_time={SECONDS_PER_TARGET}");
    let mut cargo = Command::new("cargo");
    cargo.args(["+nightly", "fuzz", "run", target, "--", &seconds, "-max_len=4096"]);
    process::run(cargo.current_dir(package)).map_err(|reason| {
        format!("{reason}; without cargo-fuzz: cargo install cargo-fuzz, rustup toolchain install nightly")
    })
}

#[derive(Debug, PartialEq, Eq)]
struct FuzzTarget {
    package: PathBuf,
    name: String,
}

/// Every `crates/*/fuzz/fuzz_targets/*.rs`, in the order of their names.
fn fuzz_targets(crates: &Path) -> Result<Vec<FuzzTarget>, String> {
    let mut found = Vec::new();
    for package in entries(crates)? {
        let targets = package.join("fuzz/fuzz_targets");
        if !targets.is_dir() {
            continue;
        }
        let names = entries(&targets)?.into_iter().filter_map(|path| {
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            is_rust.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
        });
        found.extend(names.map(|name| FuzzTarget { package: package.clone(), name }));
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    let mut entries = entries.map_err(|e| format!("{}: {e}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_of_a_peers_bytes_has_targets() {
        let targets = fuzz_targets(&workspace::root().join("crates")).unwrap();
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        for name in ["chunked", "request_head", "response_head", "reply", "tnetstring", "decode"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
    }
}
