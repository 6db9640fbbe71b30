//! Requests: a PULL socket.

use zeromq::PullSocket;

use super::{End, Lost, Progress, RequestSender, Wanted, connect, receive};

pub(crate) struct Puller(PullSocket);

impl Puller {
    pub(crate) async fn connect(spec: &str, identity: &str, progress: &Progress) -> Self {
        Self(connect(spec, Wanted::Push(identity), progress).await)
    }

    /// Passes requests on until the connection is lost or nobody wants them any more.
    pub(super) async fn run(mut self, requests: &RequestSender, generation: u64) -> End {
        loop {
            let received = tokio::select! {
                received = receive(&mut self.0) => received,
                () = requests.closed() => return End::Unwanted,
            };
            let message = match received {
                Ok(message) => message,
                Err(Lost) => return End::Lost,
            };
            for frame in message.into_vec() {
                if requests.send((frame, generation)).await.is_err() {
                    return End::Unwanted;
                }
            }
        }
    }
}
