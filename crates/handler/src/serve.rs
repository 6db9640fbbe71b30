//! A loop that answers requests, several at once, until it is told to stop; then it drains.

use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::request::{Request, Upload};
use crate::response::Response;
use crate::{Handler, LinkEnded, SendError};

/// Requests that are answered at the same time; more wait at the server.
const AT_WORK_MAX: usize = 1024;

/// How long the server may take to say that there is nothing more. Mongrel2 never says it.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);

/// Why serving ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The signals of the process can't be listened to.
    #[error("the handler cannot listen to signals")]
    Signals(#[source] std::io::Error),
    /// The tasks behind the handler have ended.
    #[error(transparent)]
    LinkEnded(#[from] LinkEnded),
    /// The last replies could not be written.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Handler {
    /// Answers requests until the process gets SIGTERM or SIGINT; then drains: no request that was
    /// given to this handler is lost. As [`Self::serve_until`] otherwise.
    ///
    /// # Errors
    ///
    /// A [`ServeError`].
    pub async fn serve<A, F>(self, answer: A) -> Result<(), ServeError>
    where
        A: Fn(Request) -> F,
        F: Future<Output = Response> + Send + 'static,
    {
        let on = |kind| signal(kind).map_err(ServeError::Signals);
        let (mut terminate, mut interrupt) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let told = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        self.serve_until(told, answer).await
    }

    /// Answers each request with what `answer` makes of it, each in a task of its own. When `stop`
    /// is ready, asks the server for no more requests ([`Self::drain`]), answers those it has, and
    /// returns when the answers are written.
    ///
    /// Notices and the beginnings of uploads are passed over: a handler that needs them, or answers
    /// in parts, calls [`Self::next`] itself.
    ///
    /// # Errors
    ///
    /// A [`ServeError`].
    pub async fn serve_until<A, F>(
        mut self,
        stop: impl Future<Output = ()>,
        answer: A,
    ) -> Result<(), ServeError>
    where
        A: Fn(Request) -> F,
        F: Future<Output = Response> + Send + 'static,
    {
        let mut stop = pin!(stop);
        let mut at_work = JoinSet::new();
        let mut deadline = None;
        loop {
            let patience = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                message = self.next(), if at_work.len() < AT_WORK_MAX => match message {
                    Ok(message) if message.is_drained() => break,
                    Ok(message) => self.begin(message, &answer, &mut at_work),
                    Err(LinkEnded) if deadline.is_some() => break,
                    Err(ended) => return Err(ended.into()),
                },
                Some(ended) = at_work.join_next() => report(ended),
                () = &mut stop, if deadline.is_none() => {
                    self.drain().await?;
                    deadline = Some(Instant::now() + DRAINED_WITHIN);
                }
                () = patience => {
                    tracing::warn!(
                        waited = ?DRAINED_WITHIN,
                        "the server does not say that it sends no more requests, leaving"
                    );
                    break;
                }
            }
        }
        // A server that never said so has sent these.
        while let Some(message) = self.at_hand() {
            self.begin(message, &answer, &mut at_work);
        }
        while let Some(ended) = at_work.join_next().await {
            report(ended);
        }
        Ok(self.shutdown().await?)
    }

    fn begin<A, F>(&self, request: Request, answer: &A, at_work: &mut JoinSet<()>)
    where
        A: Fn(Request) -> F,
        F: Future<Output = Response> + Send + 'static,
    {
        if request.is_notice() || matches!(request.upload(), Some(Upload::Started(_))) {
            return;
        }
        let (replies, response) = (self.replies().clone(), answer(request.clone()));
        at_work.spawn(async move {
            if let Err(error) = replies.reply_http(&request, &response.await).await {
                tracing::warn!(%error, "an answer was not sent");
            }
        });
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an answer ended badly");
    }
}
