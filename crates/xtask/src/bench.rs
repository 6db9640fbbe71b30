//! `bench`: what the server costs, alone and beside its peers.

pub(crate) mod links;
pub(crate) mod micro;
pub(crate) mod peers;
pub(crate) mod uploads;

mod build;
mod fetch;
mod fleet;
mod load;
mod options;
mod record;
mod report;
mod usage;
