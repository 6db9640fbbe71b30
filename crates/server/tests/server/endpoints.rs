//! What a configuration may name, the ZeroMQ sockets can be bound to.

use crate::rows::{rows, text};

#[test]
fn an_endpoint_that_is_accepted_can_be_parsed_by_who_binds_it() {
    let path = |bytes: usize| format!("ipc://{}", "x".repeat(bytes));
    for (spec, accepted) in [
        ("tcp://127.0.0.1:9999", true),
        ("tcp://*:9999", true),
        ("tcp://[::1]:9999", true),
        ("tcp://host-1.example.org:9999", true),
        ("tcp://127.0.0.1:0", true),
        ("tcp://127.0.0.1:65535", true),
        ("tcp://127.0.0.1:65536", false),
        ("tcp://127.0.0.1:+1", false),
        ("tcp://127.0.0.1:", false),
        ("tcp://:9999", false),
        ("tcp://::1:9999", false),
        ("tcp://[::x]:9999", false),
        ("tcp://eth0;10.0.0.1:5", false),
        ("tcp://a/b:80", false),
        ("ipc://run/control", true),
        ("ipc:///tmp/x", true),
        (&path(103), true),
        (&path(108), false),
        ("ipc://", false),
        ("inproc://x", false),
        ("", false),
    ] {
        // An empty column stands for the setting.
        let mut rows = rows(&[("control_port", spec)]);
        let as_setting = store::lower(&rows, "u").is_ok();
        assert_eq!(as_setting, accepted, "{spec}");
        if !spec.is_empty() {
            rows.settings.clear();
            rows.servers[0].control_port = text(spec);
            assert_eq!(store::lower(&rows, "u").is_ok(), accepted, "{spec}");
        }
        let parsed = spec.parse::<zmtp::Spec>();
        assert_eq!(parsed.is_ok(), accepted, "{spec}: {parsed:?}");
    }
}
