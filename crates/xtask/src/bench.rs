//! `bench`: what the server costs, alone and beside its peers.

pub(crate) mod micro;
pub(crate) mod peers;
pub(crate) mod uploads;

mod fetch;
mod fleet;
mod load;
mod options;
mod report;
mod usage;
