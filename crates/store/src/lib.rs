//! SQLite rows to a Site and back; owner of schema.sql.

pub mod fault;
pub mod held;
pub mod log;
pub mod lower;
pub mod mimetypes;
pub mod nearest;
pub mod read;
pub mod rows;
pub mod setting;
pub mod write;

mod endpoint;
mod findings;
mod tables;

pub use endpoint::endpoints_collide;
pub use fault::{Fault, Faults, Place, Warning};
pub use held::HeldDatabase;
pub use log::{LogEntry, LogRow, append_log, read_log};
pub use lower::{LoadFault, Lowered, ServerLine, load, lower, servers};
pub use mimetypes::default_mimetypes;
pub use nearest::nearest;
pub use read::{OpenFault, read};
pub use rows::{Cell, Rows};
pub use write::{SCHEMA, WriteFault, replace};
