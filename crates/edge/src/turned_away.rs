//! Clients that are one too many: told so, heard out, and counted in the log.

use crate::answer::{self, Wants};
use crate::fault::FaultKind;
use crate::framing::{Asked, write_head};
use crate::response::Body;
use crate::seldom::Seldom;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many are heard out at once. They hold descriptors that those inside may need.
const HEARD_OUT_MAX: usize = 16;
const HEARD_OUT: Duration = Duration::from_secs(1);

/// What is known of the clients that were turned away.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    untold: Seldom,
    room: Arc<Semaphore>,
}

impl Default for TurnedAway {
    fn default() -> Self {
        Self { untold: Seldom::default(), room: Arc::new(Semaphore::new(HEARD_OUT_MAX)) }
    }
}

impl TurnedAway {
    /// Says 503 in one write, and closes when the client has heard it.
    pub(crate) fn add(&self, stream: TcpStream, remote: SocketAddr, connections_max: usize) {
        refuse(&stream);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            tokio::spawn(async move {
                hear_out(stream).await;
                drop(room);
            });
        }
        if let Some(count) = self.untold.add() {
            tracing::warn!(
                last = %remote, count, max = connections_max,
                "limits.connections reached, clients were turned away"
            );
        }
    }
}

fn refuse(stream: &TcpStream) {
    let fault = FaultKind::Overloaded { retry_after: 1 }.into();
    let response = answer::answer(&fault, Wants::Text, None);
    let asked = Asked::unreadable();
    let mut out = Vec::new();
    write_head(&mut out, &response, asked, asked.delimiting(&response), false);
    if let Body::Bytes(bytes) = &response.body {
        out.extend_from_slice(bytes);
    }
    // A client that can't be told finds the connection closed.
    let _told = stream.try_write(&out);
}

/// Reads what the client sends until it closes or its time is up: to close before would be a reset,
/// and the answer might be lost with it (RFC 9112 section 9.6).
async fn hear_out(mut stream: TcpStream) {
    let mut unheard = [0; 1024];
    let heard = async {
        if stream.shutdown().await.is_ok() {
            while let Ok(1..) = stream.read(&mut unheard).await {}
        }
    };
    // In the end it is closed, heard out or not.
    let _in_time = tokio::time::timeout(HEARD_OUT, heard).await;
}
