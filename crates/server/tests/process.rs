//! The real program: what it says, what signals do to it, what it leaves behind.

#![cfg(test)]

#[path = "process/as_root.rs"]
mod as_root;
#[path = "process/control.rs"]
mod control;
#[path = "process/descriptors.rs"]
mod descriptors;
#[path = "process/harness.rs"]
mod harness;
#[path = "process/signals.rs"]
mod signals;
#[path = "process/starting.rs"]
mod starting;
