//! From a `Host` field and a path to the route that serves it.

mod hosts;
mod routes;

pub use hosts::{Host, HostMatching, HostSearch, Hosts, NameForm};
pub use routes::{Match, Route, RouteSearch, Routes};
