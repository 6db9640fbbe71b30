//! ZeroMQ endpoints as a configuration may name them.

/// Bytes of a path that fit a Unix socket address, without the final NUL.
const IPC_PATH_BYTES_MAX: usize = 107;

pub(crate) const ACCEPTED: &str = "tcp://host:port, tcp://*:port or ipc://path";

/// A parsed endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Ipc { path: String },
}

/// Why a text is no endpoint that the server can bind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointFault {
    #[error("must be {ACCEPTED}")]
    NoTransport,
    #[error("the transport {0}:// is not supported, it must be {ACCEPTED}")]
    Unsupported(String),
    #[error("must have a host before the last colon, as in tcp://127.0.0.1:9999, or * for all")]
    Host,
    #[error("must end in a port from 1 to 65535, as in tcp://127.0.0.1:9999")]
    Port,
    #[error("must have a path of 1 to {IPC_PATH_BYTES_MAX} bytes after ipc://, without @ or *")]
    Path,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointFault> {
        let (transport, rest) = text.split_once("://").ok_or(EndpointFault::NoTransport)?;
        match transport {
            "tcp" => {
                let (host, port) = rest.rsplit_once(':').ok_or(EndpointFault::Port)?;
                if !is_host(host) {
                    return Err(EndpointFault::Host);
                }
                let digits = port.bytes().all(|b| b.is_ascii_digit());
                let port = port.parse().ok().filter(|_| digits).ok_or(EndpointFault::Port)?;
                Ok(Self::Tcp { host: host.to_ascii_lowercase(), port })
            }
            "ipc" => {
                let sized = (1..=IPC_PATH_BYTES_MAX).contains(&rest.len());
                if !sized || rest.starts_with('@') || rest == "*" || rest.contains('\0') {
                    return Err(EndpointFault::Path);
                }
                Ok(Self::Ipc { path: rest.to_owned() })
            }
            other => Err(EndpointFault::Unsupported(other.to_owned())),
        }
    }

    /// Whether the system chooses the port, so that nobody can know it beforehand.
    pub(crate) fn is_ephemeral(&self) -> bool {
        matches!(self, Self::Tcp { port: 0, .. })
    }

    /// Whether the second of the two could not be bound.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { host: a, port: p }, Self::Tcp { host: b, port: q }) => {
                let all = |host: &str| matches!(host, "*" | "0.0.0.0" | "[::]");
                p == q && *p != 0 && (a == b || all(a) || all(b))
            }
            (Self::Ipc { path: a }, Self::Ipc { path: b }) => a == b,
            _ => false,
        }
    }
}

/// Whether two endpoints can't be bound at the same time; not for what is no endpoint.
pub fn endpoints_collide(one: &str, other: &str) -> bool {
    match (Endpoint::parse(one), Endpoint::parse(other)) {
        (Ok(one), Ok(other)) => one.collides(&other),
        _ => false,
    }
}

/// A name, an IPv4 address, an IPv6 address in brackets, or `*`.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    host == "*" || (!host.is_empty() && host.bytes().all(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_parsed_or_refused_by_a_rule() {
        let tcp = |host: &str, port| Ok(Endpoint::Tcp { host: host.into(), port });
        let check = |text: &str, expected: Result<Endpoint, EndpointFault>| {
            assert_eq!(Endpoint::parse(text), expected, "{text}");
        };
        check("tcp://127.0.0.1:9999", tcp("127.0.0.1", 9999));
        check("tcp://*:1", tcp("*", 1));
        check("tcp://[::1]:65535", tcp("[::1]", 65535));
        check("tcp://Host-1.example.org:80", tcp("host-1.example.org", 80));
        check("tcp://127.0.0.1:0", tcp("127.0.0.1", 0));
        check("ipc://run/control", Ok(Endpoint::Ipc { path: "run/control".into() }));
        check("zzz", Err(EndpointFault::NoTransport));
        check("", Err(EndpointFault::NoTransport));
        check("tcp:/x:1", Err(EndpointFault::NoTransport));
        check("tcp://127.0.0.1", Err(EndpointFault::Port));
        check("tcp://127.0.0.1:", Err(EndpointFault::Port));
        check("tcp://127.0.0.1:+1", Err(EndpointFault::Port));
        check("tcp://127.0.0.1:65536", Err(EndpointFault::Port));
        check("tcp://127.0.0.1:*", Err(EndpointFault::Port));
        check("tcp://:9999", Err(EndpointFault::Host));
        check("tcp://::1:9999", Err(EndpointFault::Host));
        check("tcp://[::x]:9999", Err(EndpointFault::Host));
        check("tcp://a b:9999", Err(EndpointFault::Host));
        check("ipc://", Err(EndpointFault::Path));
        check("ipc://@abstract", Err(EndpointFault::Path));
        check("ipc://*", Err(EndpointFault::Path));
        check(&format!("ipc://{}", "x".repeat(108)), Err(EndpointFault::Path));
        for transport in ["inproc", "pgm", "epgm", "udp"] {
            check(&format!("{transport}://x"), Err(EndpointFault::Unsupported(transport.into())));
        }
    }

    #[test]
    fn endpoints_collide_when_one_address_is_within_the_other() {
        let check = |a: &str, b: &str, expected: bool| {
            let (a, b) = (Endpoint::parse(a).unwrap(), Endpoint::parse(b).unwrap());
            assert_eq!(a.collides(&b), expected, "{a:?} {b:?}");
            assert_eq!(b.collides(&a), expected, "{b:?} {a:?}");
        };
        check("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", true);
        check("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", false);
        check("tcp://127.0.0.1:1", "tcp://127.0.0.2:1", false);
        check("tcp://*:1", "tcp://127.0.0.1:1", true);
        check("tcp://0.0.0.0:1", "tcp://127.0.0.1:1", true);
        check("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", false);
        check("ipc://a", "ipc://a", true);
        check("ipc://a", "ipc://b", false);
        check("ipc://a", "tcp://a:1", false);
    }
}
