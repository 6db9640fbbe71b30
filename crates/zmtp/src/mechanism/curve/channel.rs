//! Traffic after a CURVE handshake: every frame and command travels in a MESSAGE command.

use std::fmt;

use bytes::Bytes;

use super::boxes::{MAC_BYTES, SharedKey, nonce};
use super::put_command;
use crate::command::{Properties, write_properties};
use crate::fault::ProtocolFault;
use crate::frame::FrameHeader;

/// One connection's keys and counters.
pub(crate) struct Channel {
    key: SharedKey,
    /// Of what was last sent. It never goes back, not even for frames that were never written: a
    /// nonce that is used twice gives both texts away.
    sent: u64,
    received: u64,
    outgoing: &'static [u8; 16],
    incoming: &'static [u8; 16],
}

impl Channel {
    /// Bytes that a MESSAGE has beside its payload: name, nonce, tag and flags.
    pub(crate) const OVERHEAD: usize = 8 + 8 + MAC_BYTES + 1;

    /// The server's end; `received` is the nonce of INITIATE.
    pub(super) fn of_server(key: SharedKey, received: u64) -> Self {
        let (outgoing, incoming) = (SERVERS, CLIENTS);
        Self { key, sent: 0, received, outgoing, incoming }
    }

    /// The client's end; `sent` is the nonce of INITIATE.
    #[cfg(test)]
    pub(super) fn of_client(key: SharedKey, sent: u64, received: u64) -> Self {
        let (outgoing, incoming) = (CLIENTS, SERVERS);
        Self { key, sent, received, outgoing, incoming }
    }

    /// Appends READY: nonce, Box[metadata](S'->C').
    pub(crate) fn ready(&mut self, properties: &Properties, out: &mut Vec<u8>) {
        let short = self.next_nonce();
        let mut boxed = vec![0; MAC_BYTES];
        write_properties(properties, &mut boxed);
        self.key.seal(&nonce(b"CurveZMQREADY---", &short), &mut boxed);
        put_command(&[b"\x05READY", &short, &boxed], out);
    }

    /// Appends the frame with this payload as a MESSAGE, which libzmq sends without the command
    /// flag.
    pub(crate) fn seal(&mut self, frame: FrameHeader, payload: &[u8], out: &mut Vec<u8>) {
        let length = payload.len() + Self::OVERHEAD;
        out.reserve(FrameHeader::BYTES_MAX + length);
        FrameHeader { more: false, command: false, length }.encode(out);
        out.extend_from_slice(NAME);
        let short = self.next_nonce();
        out.extend_from_slice(&short);
        let boxed = out.len();
        out.extend_from_slice(&[0; MAC_BYTES]);
        out.push(if frame.more { MORE } else { 0 } | if frame.command { COMMAND } else { 0 });
        out.extend_from_slice(payload);
        if let Some(boxed) = out.get_mut(boxed..) {
            self.key.seal(&nonce(self.outgoing, &short), boxed);
        }
    }

    /// Reads the body of a MESSAGE: whether it is a command, whether more follow, its payload.
    pub(crate) fn open(&mut self, body: &[u8]) -> Result<(FrameHeader, Bytes), ProtocolFault> {
        let malformed = || ProtocolFault::Command { name: "MESSAGE" };
        let rest = body.strip_prefix(NAME);
        let rest = rest.ok_or(ProtocolFault::Unencrypted)?;
        let (short, boxed) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let number = u64::from_be_bytes(*short);
        if number <= self.received {
            return Err(ProtocolFault::Nonce { name: "MESSAGE" });
        }
        let text = self.key.open(&nonce(self.incoming, short), boxed);
        let text = Bytes::from(text.ok_or(ProtocolFault::Sealed { name: "MESSAGE" })?);
        self.received = number;
        let flags = *text.first().ok_or_else(malformed)?;
        let (more, command) = (flags & MORE != 0, flags & COMMAND != 0);
        if flags & !(MORE | COMMAND) != 0 || (more && command) {
            return Err(ProtocolFault::Flags { flags });
        }
        let payload = text.slice(1..);
        Ok((FrameHeader { more, command, length: payload.len() }, payload))
    }

    fn next_nonce(&mut self) -> [u8; 8] {
        self.sent += 1;
        self.sent.to_be_bytes()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("sent", &self.sent)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

const NAME: &[u8] = b"\x07MESSAGE";
const SERVERS: &[u8; 16] = b"CurveZMQMESSAGES";
const CLIENTS: &[u8; 16] = b"CurveZMQMESSAGEC";
const MORE: u8 = 0x01;
/// Inside the box, libzmq has its own bit for commands.
const COMMAND: u8 = 0x02;
