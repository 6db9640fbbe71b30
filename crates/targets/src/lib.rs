//! The three things a route points at: a directory, a proxy, a handler.
