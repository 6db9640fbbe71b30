//! The whole server, driven through sockets: a table of contents.
