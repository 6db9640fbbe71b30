//! SQLite rows to a Site and back; owner of schema.sql.

pub mod rows;
