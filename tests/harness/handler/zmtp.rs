//! The connecting side of ZMTP 3.0 without security: just enough to be a PULL or a PUB, and none
//! of the server's own code, so that it is a judge of that code.

use super::super::within;
use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection to a socket that the server has bound.
pub(super) struct Wire(BufReader<Box<dyn Stream>>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects and shakes hands as a socket of this type.
    pub(super) async fn open(spec: &str, socket_type: &str) -> Self {
        let stream: Box<dyn Stream> =
            match (spec.strip_prefix("tcp://"), spec.strip_prefix("ipc://")) {
                (Some(addr), _) => Box::new(within(TcpStream::connect(addr)).await.unwrap()),
                (_, Some(path)) => Box::new(within(UnixStream::connect(path)).await.unwrap()),
                _ => panic!("no spec: {spec}"),
            };
        let mut wire = Self(BufReader::new(stream));
        let mut greeting = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL".to_vec();
        greeting.resize(64, 0);
        let name = u8::try_from(socket_type.len()).unwrap();
        let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
        ready.push(name);
        ready.extend_from_slice(socket_type.as_bytes());
        within(wire.0.write_all(&greeting)).await.unwrap();
        wire.send(COMMAND, &ready).await;
        within(wire.0.read_exact(&mut greeting)).await.unwrap();
        let (flags, answer) = within(wire.frame()).await.expect("READY");
        assert!(flags & COMMAND != 0 && answer.starts_with(b"\x05READY"), "{answer:?}");
        wire
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
        }
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
