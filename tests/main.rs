//! The whole server, driven through sockets: a table of contents.

#![cfg(test)]

mod harness;

mod access_log;
mod cluster;
mod control_port;
mod corpus;
mod differential;
mod dir;
mod drain;
mod error_pages;
mod extended_replies;
mod garbage_peers;
mod golden;
mod golden_sockets;
mod golden_uploads;
mod handler;
mod handler_security;
mod keep_alive;
mod languages;
mod late_answers;
mod limits;
mod message_sockets;
mod notices;
mod proxy;
mod regression;
mod reload;
mod routing;
mod shutdown;
mod signs_of_life;
mod slow_clients;
mod stopped;
mod stray_answers;
mod torture;
mod uploads;
mod uploads_flow;
mod uploads_store;
mod uploads_stream;
mod websocket;
mod zmtp_versions;
