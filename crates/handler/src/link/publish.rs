//! Replies: an XPUB socket that waits for the server's subscription.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use zeromq::{SocketSend, XPubSocket, ZmqMessage};

use super::{Lost, Progress, Step, Wanted, connect, receive};

/// What the publisher's task is asked to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(Bytes),
    /// Answer when all before it has been written.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct Publisher {
    spec: String,
    /// The start of each message: the sender id and a space.
    prefix: Vec<u8>,
    socket: XPubSocket,
    subscriptions: Vec<Vec<u8>>,
}

impl Publisher {
    /// Connects and waits until the server has subscribed to what `sender_id` sends.
    pub(crate) async fn connect(spec: &str, sender_id: &str, progress: &Progress) -> Self {
        let prefix = format!("{sender_id} ").into_bytes();
        Self::connect_prefix(spec.to_owned(), prefix, progress).await
    }

    async fn connect_prefix(spec: String, prefix: Vec<u8>, progress: &Progress) -> Self {
        loop {
            let socket = connect(&spec, Wanted::Sub, progress).await;
            progress.set(Step::Subscription);
            let subscriptions = Vec::new();
            let mut publisher =
                Self { spec: spec.clone(), prefix: prefix.clone(), socket, subscriptions };
            if publisher.subscribed().await.is_ok() {
                return publisher;
            }
        }
    }

    /// Writes replies until nobody can send any more.
    pub(crate) async fn run(mut self, mut replies: mpsc::Receiver<Outgoing>) {
        loop {
            let outgoing = tokio::select! {
                outgoing = replies.recv() => outgoing,
                heard = self.hear() => {
                    if heard.is_err() && self.reconnect(&mut replies).await.is_none() {
                        return;
                    }
                    continue;
                }
            };
            match outgoing {
                None => return,
                Some(Outgoing::Flush(done)) => drop(done.send(())),
                Some(Outgoing::Message(message)) => {
                    if let Err(error) = self.socket.send(ZmqMessage::from(message)).await {
                        tracing::warn!(spec = self.spec, %error, "reply not written");
                    }
                }
            }
        }
    }

    /// Connects again. Replies of the meantime are dropped: their ids belong to the server that
    /// is gone. `None` when nobody can send any more.
    async fn reconnect(&mut self, replies: &mut mpsc::Receiver<Outgoing>) -> Option<()> {
        tracing::info!(spec = self.spec, "link for replies lost, connecting again");
        let progress = Progress::default();
        let again = Self::connect_prefix(self.spec.clone(), self.prefix.clone(), &progress);
        tokio::pin!(again);
        let mut dropped = 0_u64;
        let publisher = loop {
            tokio::select! {
                biased;
                outgoing = replies.recv() => match outgoing? {
                    Outgoing::Message(_) => dropped = dropped.saturating_add(1),
                    Outgoing::Flush(done) => drop(done.send(())),
                },
                publisher = &mut again => break publisher,
            }
        };
        if dropped > 0 {
            tracing::warn!(spec = self.spec, dropped, "replies dropped while the link was down");
        }
        *self = publisher;
        Some(())
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
