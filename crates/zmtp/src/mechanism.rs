//! Security mechanisms: what the greeting names and what follows it until both sides are ready.

use bytes::Bytes;

use crate::command::Command;
use crate::fault::ProtocolFault;
use crate::session::Local;

/// Which mechanism an endpoint asks of its peers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Security {
    /// None: peers are who they say they are.
    #[default]
    Null,
}

/// The properties a peer has announced, once its handshake is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) socket_type: Bytes,
    pub(crate) identity: Bytes,
}

/// The state of one connection's handshake. PLAIN and CURVE are further variants, which then have
/// state: their HELLO, WELCOME and INITIATE come through `command` in turn, and CURVE's MESSAGE
/// wraps what `Session` passes afterwards.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mechanism {
    Null,
}

impl Mechanism {
    pub(crate) fn new(security: &Security) -> Self {
        match security {
            Security::Null => Self::Null,
        }
    }

    /// The name in the greeting.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
        }
    }

    /// What is sent right after the greeting.
    pub(crate) fn open(self, local: &Local, out: &mut Vec<u8>) {
        match self {
            Self::Null => ready(local).encode(out),
        }
    }

    /// Takes one handshake command; the peer's properties when that was the last.
    pub(crate) fn command(self, command: Command) -> Result<Option<Announced>, ProtocolFault> {
        match (self, command) {
            (Self::Null, Command::Ready(properties)) => Ok(Some(announced(properties))),
            (Self::Null, _) => Err(ProtocolFault::Handshake),
        }
    }
}

fn ready(local: &Local) -> Command {
    let socket = Bytes::from_static(local.socket.name().as_bytes());
    Command::Ready(vec![
        (Bytes::from_static(b"Socket-Type"), socket),
        (Bytes::from_static(b"Identity"), local.identity.clone()),
    ])
}

fn announced(properties: Vec<(Bytes, Bytes)>) -> Announced {
    let mut announced = Announced::default();
    for (name, value) in properties {
        if name.eq_ignore_ascii_case(b"socket-type") {
            announced.socket_type = value;
        } else if name.eq_ignore_ascii_case(b"identity") {
            announced.identity = value;
        }
    }
    announced
}
