//! `bench micro`: the microbenchmarks of the pure crates.

use crate::{process, workspace};

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let command = ["bench", "--package", "benches", "--bench", "micro", "--"];
    process::run(workspace::cargo(&command).args(words))
}
