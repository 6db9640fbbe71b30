//! The program: boot, the one dispatch, reload, signals, access log.

pub mod access_log;
pub mod control;
pub mod dispatch;
pub mod error;
pub mod error_pages;
pub mod handler_security;
pub mod live;
pub mod log;
pub mod options;
pub mod process;
pub mod program;
pub mod restart;
pub mod running;
pub mod signals;

pub use error::{ReloadFault, StartFault};
pub use options::Options;
pub use running::{Boot, Server};
