//! What the command line says.

use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A web server for every language at once, configured by a database.
///
/// Runs the server UUID of a configuration database made by `m2sh load`. SIGHUP reloads the
/// configuration, SIGINT and SIGTERM finish what has begun and stop, a second one stops at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "server", version, arg_required_else_help = true)]
pub struct Options {
    /// The configuration database, such as config.sqlite
    pub database: PathBuf,

    /// Which of its servers to run
    pub uuid: String,

    /// Listen here instead of where the configuration says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// Check the configuration, say what is wrong with it, and exit
    #[arg(long)]
    pub check: bool,
}
