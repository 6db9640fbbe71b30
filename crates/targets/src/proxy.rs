//! An HTTP/1.1 back end, streamed both ways.
