//! Bytes that cross a process boundary: tnetstrings, handler requests and replies, control messages.
