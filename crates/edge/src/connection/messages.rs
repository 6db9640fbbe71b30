//! Messages without HTTP, taken off the input between two requests.

use super::{Connection, Ended};
use crate::backlog::Backlog;
use crate::exchange::{Rules, Service};
use crate::fault::{Fault, FaultKind};
use crate::line::Speaks;
use crate::message_socket::SocketMessage;
use bytes::Bytes;
use http1::CloseReason;
use wire::message_socket::{FLASH_POLICY, MessageError};

impl<S: Service> Connection<S> {
    /// Takes one message, if all of it is here.
    pub(super) async fn next_message(&mut self, rules: &Rules) -> Result<bool, Ended> {
        let message = match self.reader.next_message(rules.limits.head_bytes_max) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(false),
            Err(error) => return Err(self.refuse(fault(error), rules).await),
        };
        if message.is_ping() {
            self.entry.line().vitals().ping();
            return Ok(true);
        }
        if message.is_policy_request() {
            self.writer.send(Bytes::from_static(FLASH_POLICY), rules.limits.write_deadline).await?;
            return Err(CloseReason::ResponseEnded.into());
        }
        let limits = &rules.limits;
        let new = || Backlog::new(limits.head_bytes_max, limits.handler_queue_timeout);
        let backlog = self.backlog.get_or_insert_with(new);
        let place = match backlog.place(self.entry.line(), message.body.len()).await {
            Ok(place) => place,
            Err(Fault { kind: FaultKind::Killed(reason), .. }) => return Err(reason.into()),
            Err(fault) => return Err(self.refuse(fault, rules).await),
        };
        let taken = self.edge.service().message(SocketMessage {
            peer: &self.peer,
            message: &message,
            place,
            line: self.entry.line(),
            audiences: &mut self.audiences,
        });
        match taken {
            Ok(replies) => {
                self.entry.line().now_speaks(Speaks::Messages);
                self.replies = replies;
                Ok(true)
            }
            Err(fault) => Err(self.refuse(fault, rules).await),
        }
    }
}

fn fault(error: MessageError) -> Fault {
    Fault::new(FaultKind::BadMessage, format!("The {error}."))
}
