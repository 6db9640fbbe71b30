//! Endpoint addresses as ZeroMQ writes them: `tcp://host:port` and `ipc://path`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::fault::EndpointFault;

/// A parsed endpoint address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `tcp://`; port 0 (or `*`) lets the system choose.
    Tcp {
        /// Where.
        host: Host,
        /// Which port.
        port: u16,
    },
    /// `ipc://`: a Unix socket file.
    Ipc(PathBuf),
}

/// The host part of a `tcp://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `*`: every IPv4 address, as libzmq has it.
    Any,
    /// `[...]`.
    V6(Ipv6Addr),
    /// An IPv4 address or a name to look up.
    Name(String),
}

impl FromStr for Spec {
    type Err = EndpointFault;

    fn from_str(spec: &str) -> Result<Self, EndpointFault> {
        if let Some(path) = spec.strip_prefix("ipc://") {
            let path = PathBuf::from(path);
            if path.as_os_str().is_empty() || path.as_os_str().len() > PATH_BYTES_MAX {
                return Err(EndpointFault::PathLength { path, max: PATH_BYTES_MAX });
            }
            return Ok(Self::Ipc(path));
        }
        let Some(address) = spec.strip_prefix("tcp://") else {
            return Err(EndpointFault::Transport { spec: spec.to_owned() });
        };
        let fault = || EndpointFault::Address { address: address.to_owned() };
        let (host, port) = address.rsplit_once(':').ok_or_else(fault)?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            "*" => 0,
            _ if digits => port.parse().map_err(|_| fault())?,
            _ => return Err(fault()),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(v6) => Host::V6(v6.parse().map_err(|_| fault())?),
            None if host == "*" => Host::Any,
            None if host.is_empty() || host.contains([':', '/', '[', ']', ';']) => {
                return Err(fault());
            }
            None => Host::Name(host.to_owned()),
        };
        Ok(Self::Tcp { host, port })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: Host::Any, port } => {
                write!(f, "tcp://{}:{port}", Ipv4Addr::UNSPECIFIED)
            }
            Self::Tcp { host: Host::V6(host), port } => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host: Host::Name(host), port } => write!(f, "tcp://{host}:{port}"),
            Self::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

/// Room in a socket address, which has 108 bytes with the final NUL.
const PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, want: Option<Spec>) {
        assert_eq!(spec.parse().ok(), want, "{spec}");
    }

    #[test]
    fn specs() {
        let tcp = |host, port| Some(Spec::Tcp { host, port });
        check("tcp://127.0.0.1:9999", tcp(Host::Name("127.0.0.1".into()), 9999));
        check("tcp://localhost:1", tcp(Host::Name("localhost".into()), 1));
        check("tcp://*:9999", tcp(Host::Any, 9999));
        check("tcp://*:*", tcp(Host::Any, 0));
        check("tcp://[::1]:80", tcp(Host::V6(Ipv6Addr::LOCALHOST), 80));
        check("ipc://run/control", Some(Spec::Ipc("run/control".into())));
        check("ipc:///tmp/x", Some(Spec::Ipc("/tmp/x".into())));
        for bad in [
            "",
            "tcp",
            "tcp://",
            "tcp://host",
            "tcp://:80",
            "tcp://host:",
            "tcp://host:65536",
            "tcp://host:-1",
            "tcp://host:+1",
            "tcp://::1:80",
            "tcp://[::1:80",
            "tcp://[x]:80",
            "tcp://a/b:80",
            "udp://a:1",
            "inproc://x",
            "ipc://",
            "tcp://eth0;10.0.0.1:5",
        ] {
            check(bad, None);
        }
        let long = "x".repeat(PATH_BYTES_MAX);
        check(&format!("ipc://{long}"), Some(Spec::Ipc(long.clone().into())));
        check(&format!("ipc://{long}x"), None);
    }
}
