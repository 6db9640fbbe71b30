//! CURVE (RFC 25 and 26), the server's side: keys of both ends, and traffic that is encrypted.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dryoc::rng::copy_randombytes;
use zeroize::Zeroizing;

use super::{Completion, Credential, Proven, expect, refuse};
use crate::command::read_properties;
use crate::fault::ProtocolFault;
use crate::frame::FrameHeader;
use crate::keys::{PublicKey, SecretKey};

mod boxes;
mod channel;
#[cfg(test)]
pub(crate) mod client;

use boxes::{MAC_BYTES, SharedKey, nonce};
pub(crate) use channel::Channel;

/// The server's key and whom it admits.
pub struct CurveServer {
    secret: SecretKey,
    public: PublicKey,
    clients: Option<HashSet<PublicKey>>,
}

impl CurveServer {
    /// With `clients`, nobody else is admitted; without, whoever knows the public key.
    pub fn new(secret: SecretKey, clients: Option<impl IntoIterator<Item = PublicKey>>) -> Self {
        let public = secret.public_key();
        Self { secret, public, clients: clients.map(|clients| clients.into_iter().collect()) }
    }

    /// What clients must know.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Whether a client with this key is admitted.
    pub fn permits(&self, client: &PublicKey) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.contains(client))
    }
}

impl fmt::Debug for CurveServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurveServer").field("public", &self.public).finish_non_exhaustive()
    }
}

/// How far the handshake has come.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// HELLO is due.
    Hello(Arc<CurveServer>),
    /// WELCOME is sent and INITIATE due.
    Initiate(Box<Welcomed>),
    /// Nothing more is due.
    Over,
}

/// What is kept between WELCOME and INITIATE. The keys of the connection are in the cookie, which
/// the client has.
pub(crate) struct Welcomed {
    server: Arc<CurveServer>,
    cookie_key: SharedKey,
    hello_nonce: u64,
}

impl fmt::Debug for Welcomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcomed").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Handshake {
    pub(super) fn new(server: Arc<CurveServer>) -> Self {
        Self::Hello(server)
    }

    pub(super) fn command(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Proven>, ProtocolFault> {
        match std::mem::replace(self, Self::Over) {
            Self::Hello(server) => {
                let hello = Hello::read(expect(body, "HELLO")?)?;
                *self = Self::Initiate(Box::new(hello.welcome(server, out)?));
                Ok(None)
            }
            Self::Initiate(welcomed) => welcomed.initiate(expect(body, "INITIATE")?, out).map(Some),
            Self::Over => Err(ProtocolFault::HandshakeOver),
        }
    }
}

/// HELLO after its name: version, padding, C', nonce, Box[64 zeros](C'->S).
struct Hello<'b> {
    short_term: &'b [u8; 32],
    nonce: &'b [u8; 8],
    signature: &'b [u8; 80],
}

impl<'b> Hello<'b> {
    fn read(body: &'b [u8]) -> Result<Self, ProtocolFault> {
        let malformed = ProtocolFault::Command { name: "HELLO" };
        let read = || {
            let (version, rest) = body.split_first_chunk::<2>()?;
            let (_padding, rest) = rest.split_first_chunk::<72>()?;
            let (short_term, rest) = rest.split_first_chunk()?;
            let (nonce, rest) = rest.split_first_chunk()?;
            let signature = rest.try_into().ok()?;
            (*version == [1, 0]).then_some(Self { short_term, nonce, signature })
        };
        read().ok_or(malformed)
    }

    /// WELCOME: nonce, Box[S' + cookie](S->C'), where the cookie is a nonce and
    /// SecretBox[C' + s'](K).
    fn welcome(
        self,
        server: Arc<CurveServer>,
        out: &mut Vec<u8>,
    ) -> Result<Welcomed, ProtocolFault> {
        let other_key = || ProtocolFault::ServerKey;
        let key = SharedKey::agree(self.short_term, &server.secret.0).ok_or_else(other_key)?;
        let zeros = key.open(&nonce(b"CurveZMQHELLO---", self.nonce), self.signature);
        if zeros.is_none_or(|zeros| zeros[..] != [0; 64]) {
            return Err(other_key());
        }
        let cookie_key = SharedKey::random();
        let short_term = SecretKey::generate();
        let cookie_nonce = random::<16>();
        let mut cookie = vec![0; MAC_BYTES];
        cookie.extend_from_slice(self.short_term);
        cookie.extend_from_slice(&*short_term.0);
        cookie_key.seal(&nonce(b"COOKIE--", &cookie_nonce), &mut cookie);

        let welcome_nonce = random::<16>();
        let mut boxed = vec![0; MAC_BYTES];
        boxed.extend_from_slice(&short_term.public_key().0);
        boxed.extend_from_slice(&cookie_nonce);
        boxed.extend_from_slice(&cookie);
        key.seal(&nonce(b"WELCOME-", &welcome_nonce), &mut boxed);
        put_command(&[b"\x07WELCOME", &welcome_nonce, &boxed], out);
        Ok(Welcomed { server, cookie_key, hello_nonce: u64::from_be_bytes(*self.nonce) })
    }
}

impl Welcomed {
    /// INITIATE after its name: cookie, nonce, Box[C + vouch + metadata](C'->S'), where the vouch
    /// is a nonce and Box[C', S](C->S').
    fn initiate(self, body: &[u8], out: &mut Vec<u8>) -> Result<Proven, ProtocolFault> {
        let malformed = || ProtocolFault::Command { name: "INITIATE" };
        let sealed = || ProtocolFault::Sealed { name: "INITIATE" };
        let (cookie_nonce, rest) = body.split_first_chunk::<16>().ok_or_else(malformed)?;
        let (cookie, rest) = rest.split_first_chunk::<80>().ok_or_else(malformed)?;
        let (short, boxed) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        if u64::from_be_bytes(*short) <= self.hello_nonce {
            return Err(ProtocolFault::Nonce { name: "INITIATE" });
        }
        let cookie = self.cookie_key.open(&nonce(b"COOKIE--", cookie_nonce), cookie);
        let cookie = Zeroizing::new(cookie.ok_or_else(sealed)?);
        let (client_short, rest) = cookie.split_first_chunk::<32>().ok_or_else(malformed)?;
        let own_short = rest.first_chunk::<32>().ok_or_else(malformed)?;
        let key = SharedKey::agree(client_short, own_short).ok_or_else(sealed)?;
        let opened = key.open(&nonce(b"CurveZMQINITIATE", short), boxed).ok_or_else(sealed)?;
        let (client, rest) = opened.split_first_chunk::<32>().ok_or_else(malformed)?;
        let (vouch_nonce, rest) = rest.split_first_chunk::<16>().ok_or_else(malformed)?;
        let (vouch, metadata) = rest.split_first_chunk::<80>().ok_or_else(malformed)?;

        let vouch_key = SharedKey::agree(client, own_short).ok_or_else(sealed)?;
        let vouched = vouch_key.open(&nonce(b"VOUCH---", vouch_nonce), vouch).ok_or_else(sealed)?;
        if vouched != [&client_short[..], &self.server.public.0].concat() {
            return Err(sealed());
        }
        let client = PublicKey(*client);
        if !self.server.permits(&client) {
            refuse(out);
            return Err(ProtocolFault::ClientKey { key: client.to_string() });
        }
        let properties = read_properties(Bytes::copy_from_slice(metadata)).ok_or_else(malformed)?;
        let channel = Channel::of_server(key, u64::from_be_bytes(*short));
        let completion = Completion::Sealed(Box::new(channel));
        Ok(Proven::new(properties, Credential::Key(client), completion))
    }
}

/// A command frame of these parts.
fn put_command(parts: &[&[u8]], out: &mut Vec<u8>) {
    let length = parts.iter().map(|part| part.len()).sum();
    FrameHeader { more: false, command: true, length }.encode(out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    copy_randombytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
