//! Replies: an XPUB socket that waits for the server's subscription.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use zeromq::{SocketSend, XPubSocket, ZmqMessage};

use super::{End, Lost, Progress, Step, Wanted, connect, receive};

/// What the publisher's task is asked to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(Bytes),
    /// Answer when all before it has been written.
    Flush(oneshot::Sender<()>),
}

impl Outgoing {
    /// Whether it was a reply.
    pub(super) fn drop_unsent(self) -> bool {
        match self {
            Self::Message(_) => true,
            Self::Flush(done) => {
                // Whoever waited may have gone.
                let _gone = done.send(());
                false
            }
        }
    }
}

pub(super) struct Publisher {
    prefix: Vec<u8>,
    socket: XPubSocket,
    subscriptions: Vec<Vec<u8>>,
}

impl Publisher {
    /// Connects and waits until the server has subscribed to what begins with `prefix`.
    pub(super) async fn connect(spec: &str, prefix: &[u8], progress: &Progress) -> Self {
        loop {
            let socket = connect(spec, Wanted::Sub, progress).await;
            progress.set(Step::Subscription);
            let mut publisher = Self { prefix: prefix.into(), socket, subscriptions: Vec::new() };
            if publisher.subscribed().await.is_ok() {
                return publisher;
            }
        }
    }

    /// Writes replies until the connection is lost or nobody can send any more.
    pub(super) async fn run(mut self, replies: &mut mpsc::Receiver<Outgoing>) -> End {
        loop {
            let outgoing = tokio::select! {
                outgoing = replies.recv() => outgoing,
                heard = self.hear() => match heard {
                    Ok(()) => continue,
                    Err(Lost) => return End::Lost,
                },
            };
            match outgoing {
                None => return End::Unwanted,
                Some(Outgoing::Message(message)) => {
                    if let Err(error) = self.socket.send(ZmqMessage::from(message)).await {
                        tracing::warn!(%error, "reply not written");
                    }
                }
                Some(flush) => {
                    flush.drop_unsent();
                }
            }
        }
    }

    async fn subscribed(&mut self) -> Result<(), Lost> {
        while !self.subscriptions.iter().any(|start| self.prefix.starts_with(start)) {
            self.hear().await?;
        }
        Ok(())
    }

    /// Waits for a change of the server's subscriptions.
    async fn hear(&mut self) -> Result<(), Lost> {
        let message = receive(&mut self.socket).await?;
        let frame = message.get(0).map(|frame| &**frame).unwrap_or_default();
        match frame.split_first() {
            Some((1, start)) => self.subscriptions.push(start.to_vec()),
            Some((0, start)) => {
                if let Some(at) = self.subscriptions.iter().position(|known| known == start) {
                    self.subscriptions.swap_remove(at);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
