//! The `m2sh` program.

fn main() {}
