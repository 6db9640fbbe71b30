//! The operator's tool: the configuration language, queries, start, stop, reload.

pub mod language;
pub mod nearest;
