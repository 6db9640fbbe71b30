//! The program: boot, the one dispatch, reload, signals, access log.
