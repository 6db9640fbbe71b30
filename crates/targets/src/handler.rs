//! Handlers over ZeroMQ: a request becomes a message, replies become bytes for clients.
