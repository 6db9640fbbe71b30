//! Security mechanisms: what the greeting names and what follows it until both sides are ready.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::command::{self, Command, Properties};
use crate::fault::ProtocolFault;
use crate::keys::PublicKey;
use crate::session::Local;

pub(crate) mod curve;
pub(crate) mod plain;

pub use self::curve::CurveServer;
pub use self::plain::{PlainFault, PlainUsers};
use curve::Channel;

/// Which mechanism an endpoint asks of its peers (RFC 37, "Security Mechanisms"). With PLAIN and
/// CURVE this side is the server: it proves or checks, and peers come as clients.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Security {
    /// None: peers are who they say they are.
    #[default]
    Null,
    /// A user name and a password, in clear text.
    Plain(Arc<PlainUsers>),
    /// Keys on both sides; everything after the handshake is encrypted.
    Curve(Arc<CurveServer>),
}

/// What a peer has proved in its handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// That it knows the password of this user.
    User(Bytes),
    /// That it has the secret key to this public key.
    Key(PublicKey),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::User(user) => write!(f, "user {}", user.escape_ascii()),
            Self::Key(key) => write!(f, "key {key}"),
        }
    }
}

impl Security {
    /// The name in the greeting.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Plain(_) => "PLAIN",
            Self::Curve(_) => "CURVE",
        }
    }

    /// Whether a peer that proved `credential` to `earlier` would be let in now as it was then.
    pub fn still_admits(&self, earlier: &Self, credential: &Credential) -> bool {
        match (self, earlier, credential) {
            (Self::Null, Self::Null, _) => true,
            (Self::Plain(now), Self::Plain(then), Credential::User(user)) => {
                now.agrees_on(then, user)
            }
            (Self::Curve(now), Self::Curve(then), Credential::Key(key)) => {
                now.public_key() == then.public_key() && now.permits(key)
            }
            _ => false,
        }
    }
}

/// What a peer has announced and proved; READY is still to be sent, if `completion` says so.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) socket_type: Bytes,
    pub(crate) identity: Bytes,
    pub(crate) credential: Credential,
    completion: Completion,
}

#[derive(Debug)]
enum Completion {
    /// READY went out right after the greeting.
    Done,
    Ready,
    Sealed(Box<Channel>),
}

impl Proven {
    fn new(properties: Properties, credential: Credential, completion: Completion) -> Self {
        let (mut socket_type, mut identity) = (Bytes::new(), Bytes::new());
        for (name, value) in properties {
            if name.eq_ignore_ascii_case(b"socket-type") {
                socket_type = value;
            } else if name.eq_ignore_ascii_case(b"identity") {
                // It is kept for as long as the peer; its command, up to 64 times as long, is not.
                identity = Bytes::copy_from_slice(&value);
            }
        }
        Self { socket_type, identity, credential, completion }
    }

    /// Sends what ends the handshake on this side; the channel if traffic is encrypted.
    pub(crate) fn finish(
        self,
        local: &Local,
        out: &mut Vec<u8>,
    ) -> (Credential, Option<Box<Channel>>) {
        let channel = match self.completion {
            Completion::Done => None,
            Completion::Ready => {
                Command::Ready(properties(local)).encode(out);
                None
            }
            Completion::Sealed(mut channel) => {
                channel.ready(&properties(local), out);
                Some(channel)
            }
        };
        (self.credential, channel)
    }
}

/// The state of one connection's handshake.
#[derive(Debug)]
pub(crate) enum Mechanism {
    Null,
    Plain(plain::Handshake),
    Curve(curve::Handshake),
}

impl Mechanism {
    pub(crate) fn new(security: &Security) -> Self {
        match security {
            Security::Null => Self::Null,
            Security::Plain(users) => Self::Plain(plain::Handshake::new(Arc::clone(users))),
            Security::Curve(server) => Self::Curve(curve::Handshake::new(Arc::clone(server))),
        }
    }

    /// What is sent right after the greeting.
    pub(crate) fn open(&self, local: &Local, out: &mut Vec<u8>) {
        if matches!(self, Self::Null) {
            Command::Ready(properties(local)).encode(out);
        }
    }

    /// Takes the body of one handshake command; what the peer has proved when that was its last.
    pub(crate) fn command(
        &mut self,
        body: Bytes,
        out: &mut Vec<u8>,
    ) -> Result<Option<Proven>, ProtocolFault> {
        match self {
            Self::Null => match Command::decode(body)? {
                Command::Ready(properties) => {
                    Ok(Some(Proven::new(properties, Credential::None, Completion::Done)))
                }
                _ => Err(ProtocolFault::Handshake { expected: "READY" }),
            },
            Self::Plain(handshake) => handshake.command(body, out),
            Self::Curve(handshake) => handshake.command(&body, out),
        }
    }
}

fn properties(local: &Local) -> Properties {
    let socket = Bytes::from_static(local.socket.name().as_bytes());
    vec![
        (Bytes::from_static(b"Socket-Type"), socket),
        (Bytes::from_static(b"Identity"), local.identity.clone()),
    ]
}

/// The rest of a handshake command that must have this name.
fn expect<'b>(body: &'b [u8], expected: &'static str) -> Result<&'b [u8], ProtocolFault> {
    command::named(body, expected).ok_or(ProtocolFault::Handshake { expected })
}

/// As libzmq ends a handshake when its ZAP handler says no: RFC 27's status code for credentials
/// that are wrong. A libzmq peer reports it and does not come again.
fn refuse(out: &mut Vec<u8>) {
    Command::Error(Bytes::from_static(b"400")).encode(out);
}
