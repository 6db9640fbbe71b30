//! The three things a route points at: a directory, a proxy, a handler.

pub mod dir;
pub mod handler;
pub mod proxy;
