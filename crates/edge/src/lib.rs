//! The client side of a connection: accept, first bytes, HTTP, registry, deadlines, drain.
