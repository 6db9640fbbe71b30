//! The client's side of a CURVE handshake, for tests.

use super::*;
use crate::command::{Properties, write_properties};

pub(crate) struct Client {
    pub(crate) server: PublicKey,
    pub(crate) secret: SecretKey,
    pub(crate) short: SecretKey,
}

impl Client {
    pub(crate) fn of(server: PublicKey, secret: SecretKey) -> Self {
        Self { server, secret, short: SecretKey::generate() }
    }

    pub(crate) fn hello(&self, number: u64) -> Vec<u8> {
        let short = number.to_be_bytes();
        let mut boxed = vec![0; MAC_BYTES + 64];
        let key = SharedKey::agree(&self.server.0, &self.short.secret()).unwrap();
        key.seal(&nonce(b"CurveZMQHELLO---", &short), &mut boxed);
        let public = self.short.public_key().0;
        let mut out = Vec::new();
        put_command(&[b"\x05HELLO\x01\0", &[0; 72], &public, &short, &boxed], &mut out);
        out
    }

    /// From the whole frame of a WELCOME: S' and the cookie.
    pub(crate) fn welcome(&self, frame: &[u8]) -> ([u8; 32], Vec<u8>) {
        let body = expect(&frame[2..], "WELCOME").unwrap();
        let key = SharedKey::agree(&self.server.0, &self.short.secret()).unwrap();
        let text = key.open(&nonce(b"WELCOME-", &body[..16]), &body[16..]).unwrap();
        (text[..32].try_into().unwrap(), text[32..].to_vec())
    }

    pub(crate) fn initiate(
        &self,
        (short_server, cookie): (&[u8; 32], &[u8]),
        number: u64,
        properties: &Properties,
    ) -> Vec<u8> {
        let mut vouch = vec![0; MAC_BYTES];
        vouch.extend_from_slice(&self.short.public_key().0);
        vouch.extend_from_slice(&self.server.0);
        let key = SharedKey::agree(short_server, &self.secret.secret()).unwrap();
        key.seal(&nonce(b"VOUCH---", &[7; 16]), &mut vouch);
        let mut boxed = vec![0; MAC_BYTES];
        boxed.extend_from_slice(&self.secret.public_key().0);
        boxed.extend_from_slice(&[7; 16]);
        boxed.extend_from_slice(&vouch);
        write_properties(properties, &mut boxed);
        let short = number.to_be_bytes();
        let key = SharedKey::agree(short_server, &self.short.secret()).unwrap();
        key.seal(&nonce(b"CurveZMQINITIATE", &short), &mut boxed);
        let mut out = Vec::new();
        put_command(&[b"\x08INITIATE", cookie, &short, &boxed], &mut out);
        out
    }

    /// From the whole frame of a READY: its properties as they are, and the channel.
    pub(crate) fn ready(
        &self,
        short_server: &[u8; 32],
        frame: &[u8],
        sent: u64,
    ) -> (Vec<u8>, Channel) {
        let body = expect(&frame[2..], "READY").unwrap();
        let key = SharedKey::agree(short_server, &self.short.secret()).unwrap();
        let text = key.open(&nonce(b"CurveZMQREADY---", &body[..8]), &body[8..]).unwrap();
        let received = u64::from_be_bytes(body[..8].try_into().unwrap());
        (text, Channel::of_client(key, sent, received))
    }
}

impl SecretKey {
    fn secret(&self) -> [u8; 32] {
        *self.0
    }
}
