//! One exchange under way: the connection that carries it and the request body that flows into it.

use super::Shared;
use super::failure::{Failure, Stop};
use super::interim::{Came, Wanted};
use super::link::Link;
use super::upload::{Content, Fed, Upload};
use edge::{Conversation, Fault, FaultKind};
use http1::CloseReason;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Rounds before other connections have their turn.
const ROUNDS_MAX: usize = 16;

/// Owns what must be dropped together: without its upload a link would wait for ever.
#[derive(Debug)]
pub(super) struct Passage<'r> {
    shared: Arc<Shared>,
    link: Box<Link>,
    upload: Upload<'r>,
    /// Since when the back end has kept us waiting.
    waiting_since: Option<Instant>,
}

/// How far an exchange could be moved on.
enum Advance<T> {
    Ready(T),
    Waits(Fed),
    /// There is more to do at once, after others have had their turn.
    Yields(Fed),
}

impl<'r> Passage<'r> {
    pub(super) fn new(shared: Arc<Shared>, link: Box<Link>, upload: Upload<'r>) -> Self {
        Self { shared, link, upload, waiting_since: None }
    }

    /// Takes another connection for a second attempt.
    pub(super) fn change(&mut self, link: Box<Link>) {
        self.link = link;
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    pub(super) fn upload(&mut self) -> &mut Upload<'r> {
        &mut self.upload
    }

    /// Sends `request` and waits for the head of the response, while the request body follows and
    /// `client` gets what comes before that.
    pub(super) async fn response(
        &mut self,
        request: Request<Content>,
        wanted: Wanted,
        client: &mut Conversation<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut response = pin!(self.link.send(request, wanted));
        loop {
            let came = poll_fn(|cx| self.poll_came(cx, response.as_mut())).await?;
            let (heads, response) = match came {
                Came::Interim(heads) => (Some(heads), None),
                Came::Response(response) => (self.link.interim.take(), Some(response)),
            };
            if let Some(heads) = heads {
                client.inform(&heads).await.map_err(Stop::Gone)?;
            }
            if let Some(response) = response {
                return Ok(response);
            }
        }
    }

    fn poll_came(
        &mut self,
        cx: &mut Context<'_>,
        mut response: Pin<&mut impl Future<Output = Result<Response<Incoming>, Failure>>>,
    ) -> Poll<Result<Came, Failure>> {
        match self.poll_moving(cx, |cx| response.as_mut().poll(cx)) {
            Poll::Ready(Ok(response)) => Poll::Ready(response.map(Came::Response)),
            Poll::Ready(Err(stop)) => Poll::Ready(Err(stop.into())),
            Poll::Pending => match self.link.interim.take() {
                Some(heads) => Poll::Ready(Ok(Came::Interim(heads))),
                None => Poll::Pending,
            },
        }
    }

    /// Moves on whatever can be moved, both ways, until `awaited` is ready; it gets its context,
    /// since what it waits for comes from the link.
    pub(super) fn poll_moving<T>(
        &mut self,
        cx: &mut Context<'_>,
        awaited: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Stop>> {
        match self.advance(cx, awaited)? {
            Advance::Ready(ready) => Poll::Ready(Ok(ready)),
            Advance::Waits(fed) | Advance::Yields(fed) => self.poll_broken(cx, fed).map(Err),
        }
    }

    /// Moves the request on while the client does not take the response. Nobody is late then: the
    /// back end may be waiting for us.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        self.advance(cx, |_| Poll::<Infallible>::Pending).map(drop)
    }

    fn advance<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut awaited: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Advance<T>, Stop> {
        self.link.waking.belongs_to(cx.waker());
        self.link.waking.begin();
        let mut poll = |link: &Link| {
            let ready = awaited(&mut Context::from_waker(link.waking.waker()));
            if ready.is_ready() {
                link.waking.leave();
            }
            ready
        };
        // hyper passes on a piece of content only after it was asked for.
        if let Poll::Ready(ready) = poll(&self.link) {
            return Ok(Advance::Ready(ready));
        }
        let mut fed = Fed::Whole;
        for _ in 0..ROUNDS_MAX {
            self.link.waking.begin();
            fed = self.carry(cx)?;
            if let Poll::Ready(ready) = poll(&self.link) {
                return Ok(Advance::Ready(ready));
            }
            if self.link.waking.end() {
                return Ok(Advance::Waits(fed));
            }
        }
        self.link.waking.leave();
        cx.waker().wake_by_ref();
        Ok(Advance::Yields(fed))
    }

    fn carry(&mut self, cx: &mut Context<'_>) -> Result<Fed, Fault> {
        loop {
            let fed = self.upload.feed(cx)?;
            self.link.drive();
            match fed {
                Fed::More => {}
                // hyper has taken the piece after all. Having sent everything, it waits for no
                // event, and nobody waits for the client yet: to stop here would be for good.
                Fed::UpstreamWaits if self.upload.is_taken() => {}
                fed => return Ok(fed),
            }
            self.waiting_since = None;
        }
    }

    /// The back end has sent something.
    pub(super) fn heard(&mut self) {
        self.waiting_since = None;
    }

    /// Ready if waiting has no point any more.
    fn poll_broken(&mut self, cx: &mut Context<'_>, fed: Fed) -> Poll<Stop> {
        if self.upload.poll_lost(cx, self.shared.read_ahead_bytes_max).is_ready() {
            return Poll::Ready(Stop::Gone(CloseReason::PeerClosed));
        }
        // The deadline on the client's own body watches over this.
        if fed == Fed::ClientWaits {
            self.waiting_since = None;
            return Poll::Pending;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + self.shared.response_deadline;
        self.link.poll_expired(deadline).map(|()| {
            self.shared.failed(FaultKind::UpstreamTimeout, "it did not answer in time").into()
        })
    }

    /// The response is complete: its connection may carry another, if the request is complete too.
    pub(super) fn finish(self) {
        let Self { shared, mut link, .. } = self;
        if !link.is_ready() {
            link.drive();
        }
        if link.is_ready() {
            link.waking.belongs_to_nobody();
            shared.pool.put(link);
        }
    }

    /// The back end's answer can't be passed on, because of this.
    pub(super) fn broken(&self, why: impl Display) -> Fault {
        self.shared.failed(FaultKind::UpstreamBroken, why)
    }
}
