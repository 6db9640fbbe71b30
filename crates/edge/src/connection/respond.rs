//! How an answer leaves: what is settled before it does, and what its sending means for the connection.

use super::Ended;
use crate::exchange::{Answer, Rules};
use crate::fault::{Fault, FaultKind};
use crate::framing::{Asked, Delimiting};
use crate::life::Life;
use crate::line::Line;
use crate::response::Response;
use crate::writer::Writer;
use crate::{answer, sender};
use bytes::Bytes;
use http1::{CloseReason, Deadline, Event, Limit};

/// An answer that needs nothing more from the client.
pub(super) enum Settled {
    Sent {
        status: u16,
        content_bytes: Option<u64>,
        ended: Option<Ended>,
    },
    /// To be sent, and why the connection then ends, if a fault says so.
    Response(Response<'static>, Option<CloseReason>),
}

/// Who waits for a client sees no more of a kill than that the client is gone.
pub(super) fn unless_killed<'r>(answer: Answer<'r>, line: &Line) -> Answer<'r> {
    let is_gone = matches!(&answer, Answer::Fault(fault) if fault.kind == FaultKind::ClientGone);
    match is_gone.then(|| line.killed()).flatten() {
        Some(reason) => Answer::Fault(FaultKind::Killed(reason).into()),
        None => answer,
    }
}

/// An answer whose content is still read from the client's own connection is given back.
pub(super) fn settle(
    answer: Answer<'_>,
    asked: Asked,
    page: impl FnOnce(u16) -> Option<Bytes>,
) -> Result<Settled, Response<'_>> {
    match answer {
        Answer::Relayed(relayed) => {
            let ended = relayed.close.map(|reason| Ended::by(reason, relayed.by));
            Ok(Settled::Sent {
                status: relayed.status.unwrap_or(0),
                content_bytes: Some(relayed.content_bytes),
                ended,
            })
        }
        Answer::Fault(Fault { kind: FaultKind::Killed(reason), .. }) => {
            Ok(Settled::Sent { status: 0, content_bytes: None, ended: Some(reason.into()) })
        }
        Answer::Fault(fault) => {
            let page = page(fault.kind.verdict().status);
            Ok(Settled::Response(answer::answer(&fault, asked.wants, page), closes(&fault)))
        }
        Answer::Response(response) => {
            response.into_whole().map(|response| Settled::Response(response, None))
        }
    }
}

/// The way out to the client, while the way in may be another's.
#[derive(Debug)]
pub(super) struct Way<'c> {
    writer: &'c mut Writer,
    life: &'c mut Life,
    line: &'c Line,
}

impl<'c> Way<'c> {
    pub(super) fn out(writer: &'c mut Writer, life: &'c mut Life, line: &'c Line) -> Self {
        Self { writer, life, line }
    }

    /// Sends a response; `Some` if the connection ends with it.
    pub(super) async fn respond(
        self,
        response: Response<'_>,
        (asked, keep): (Asked, bool),
        rules: &Rules,
    ) -> Option<CloseReason> {
        let status = response.status;
        let draining = self.line.is_draining();
        if draining {
            self.life.step(Event::Drain);
        }
        self.life.step(Event::Responding);
        let keep = keep
            && asked.persistent
            && !draining
            && asked.delimiting(&response) != Delimiting::Close;
        match sender::send(self.writer, response, asked, keep, rules.limits.write_deadline).await {
            Ok(()) if keep => None,
            Ok(()) if draining => Some(CloseReason::Draining),
            Ok(()) if !asked.persistent => Some(CloseReason::PeerAskedClose),
            Ok(()) if status >= 400 => Some(CloseReason::Answered(status)),
            Ok(()) => Some(CloseReason::ResponseEnded),
            Err(reason) => Some(reason),
        }
    }
}

/// The close reason of a fault after which nothing more can be read.
pub(crate) fn closes(fault: &Fault) -> Option<CloseReason> {
    match fault.kind {
        FaultKind::Refused(refusal) => Some(CloseReason::BadRequest(refusal)),
        FaultKind::BodyTooLarge => Some(CloseReason::Limit(Limit::BodyBytes)),
        FaultKind::HeadTimeout => Some(CloseReason::Deadline(Deadline::Head)),
        FaultKind::BodyTimeout => Some(CloseReason::Deadline(Deadline::Body)),
        FaultKind::ClientGone => Some(CloseReason::PeerCutShort),
        FaultKind::Killed(reason) => Some(reason),
        FaultKind::ReplyTooLarge => Some(CloseReason::Limit(Limit::ReplyBytes)),
        FaultKind::HandlerBroken => Some(CloseReason::HandlerBrokeFraming),
        _ => None,
    }
}
