//! `tidy`: the rules of style that a program can check. A rule no program checks is a wish.

mod changelog;
mod files;
mod leftovers;
mod manifests;
mod owners;
mod source;
mod tests_wait;
mod tree;

use crate::workspace;
use tree::Tree;

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 speaks of the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    files::open_with_purpose,
    files::have_a_bounded_size,
    files::have_a_telling_name,
    manifests::inherit_the_lints,
    owners::one_crate_per_library,
    owners::one_match_over_target,
    leftovers::nothing_left_behind,
    tests_wait::never_sleep,
    tests_wait::never_fix_a_port,
    tests_wait::never_ignore_without_a_reason,
    changelog::has_its_form,
];

pub(crate) fn run() -> Result<(), String> {
    let tree = Tree::load(&workspace::root())?;
    let findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    for Finding { path, line, message } in &findings {
        match line {
            0 => println!("tidy: {path}: {message}"),
            _ => println!("tidy: {path}:{line}: {message}"),
        }
    }
    println!("tidy: {}", files::sizes(&tree));
    if findings.is_empty() { Ok(()) } else { Err(format!("{} untidy places", findings.len())) }
}

/// Runs one check over a small tree and compares `path:line` of what it finds.
#[cfg(test)]
#[track_caller]
fn finds(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
    let found = check(&Tree::of(files));
    let places: Vec<String> = found.iter().map(|f| format!("{}:{}", f.path, f.line)).collect();
    assert_eq!(places, expected, "{found:?}");
}
