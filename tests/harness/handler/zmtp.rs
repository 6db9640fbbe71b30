//! The connecting side of ZMTP 2.0, 3.0 and 3.1 without security: just enough to be a PULL or a PUB,
//! and none of the server's own code, so that it is a judge of that code.

use super::super::within;
use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Their numbers in ZMTP 2.0.
const SOCKET_TYPES: &[(&str, u8)] = &[("PUB", 1), ("PULL", 7)];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The ZMTP that a handler speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zmtp {
    V2_0,
    V3_0,
    V3_1,
}

/// One connection to a socket that the server has bound.
pub(super) struct Wire(BufReader<Box<dyn Stream>>, Zmtp);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects and shakes hands as a socket of this type, one of `SOCKET_TYPES`.
    pub(super) async fn open(spec: &str, socket_type: &str, zmtp: Zmtp) -> Self {
        let stream: Box<dyn Stream> =
            match (spec.strip_prefix("tcp://"), spec.strip_prefix("ipc://")) {
                (Some(addr), _) => Box::new(within(TcpStream::connect(addr)).await.unwrap()),
                (_, Some(path)) => Box::new(within(UnixStream::connect(path)).await.unwrap()),
                _ => panic!("no spec: {spec}"),
            };
        let mut wire = Self(BufReader::new(stream), zmtp);
        match zmtp {
            Zmtp::V2_0 => wire.greet_2_0(socket_type).await,
            Zmtp::V3_0 => wire.greet_3(0, socket_type).await,
            Zmtp::V3_1 => wire.greet_3(1, socket_type).await,
        }
        wire
    }

    /// RFC 15: signature, revision, socket type, identity; and theirs.
    async fn greet_2_0(&mut self, socket_type: &str) {
        let number = SOCKET_TYPES.iter().find(|(name, _)| *name == socket_type).unwrap().1;
        let greeting = [b"\xff\0\0\0\0\0\0\0\x01\x7f\x01", &[number, 0, 0][..]].concat();
        within(self.0.write_all(&greeting)).await.unwrap();
        let mut signature_and_revision = [0; 11];
        within(self.0.read_exact(&mut signature_and_revision)).await.unwrap();
        assert_eq!((signature_and_revision[0], signature_and_revision[9]), (0xff, 0x7f));
        assert!(within(self.0.read_u8()).await.is_ok(), "a socket type");
        within(self.frame()).await.expect("an identity");
    }

    /// RFC 23, and RFC 37 for minor version 1: greeting, mechanism NULL, READY; and theirs.
    async fn greet_3(&mut self, minor: u8, socket_type: &str) {
        let mut greeting = [b"\xff\0\0\0\0\0\0\0\0\x7f\x03", &[minor][..], b"NULL"].concat();
        greeting.resize(64, 0);
        let name = u8::try_from(socket_type.len()).unwrap();
        let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
        ready.push(name);
        ready.extend_from_slice(socket_type.as_bytes());
        within(self.0.write_all(&greeting)).await.unwrap();
        self.send(COMMAND, &ready).await;
        within(self.0.read_exact(&mut greeting)).await.unwrap();
        let (flags, answer) = within(self.frame()).await.expect("READY");
        assert!(flags & COMMAND != 0 && answer.starts_with(b"\x05READY"), "{answer:?}");
    }

    /// Waits for a subscription: a command in ZMTP 3.1, a message before.
    pub(super) async fn subscribed(&mut self) {
        let (flags, payload) = within(self.frame()).await.expect("the server subscribes");
        let is_one = match flags & COMMAND {
            0 => payload[0] == 1,
            _ => payload.starts_with(b"\x09SUBSCRIBE"),
        };
        assert!(is_one, "a subscription: {}", payload.escape_ascii());
    }

    pub(super) async fn send(&mut self, flags: u8, payload: &[u8]) {
        let mut frame = match u8::try_from(payload.len()) {
            Ok(length) => vec![flags, length],
            Err(_) => [&[flags | LONG], &(payload.len() as u64).to_be_bytes()[..]].concat(),
        };
        frame.extend_from_slice(payload);
        within(self.0.write_all(&frame)).await.unwrap();
    }

    pub(super) async fn shutdown(&mut self) {
        within(self.0.shutdown()).await.unwrap();
    }

    /// The next message of one frame; `None` once the server has closed.
    pub(super) async fn message(&mut self) -> Option<Vec<u8>> {
        within(self.try_message()).await
    }

    /// The same, however long it takes.
    pub(super) async fn try_message(&mut self) -> Option<Vec<u8>> {
        loop {
            let (flags, payload) = self.frame().await?;
            assert_eq!(flags & MORE, 0, "the server sends messages of one frame");
            if flags & COMMAND == 0 {
                return Some(payload);
            }
            let shown = payload.escape_ascii();
            assert_eq!(self.1, Zmtp::V3_1, "an older peer knows no commands after READY: {shown}");
        }
    }

    /// Waits for a PING behind no messages.
    pub(super) async fn pinged(&mut self) {
        let (flags, payload) = within(self.frame()).await.expect("PING");
        assert!(flags & COMMAND != 0 && payload.starts_with(b"\x04PING"), "{payload:?}");
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let flags = self.0.read_u8().await.ok()?;
        let length = if flags & LONG == 0 {
            u64::from(self.0.read_u8().await.ok()?)
        } else {
            self.0.read_u64().await.ok()?
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((flags, payload))
    }
}
