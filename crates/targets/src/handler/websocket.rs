//! WebSocket: the client's handshake and messages go to handlers, which make the answers (RFC 6455).

use super::message::{Written, encode_frame, headers};
use super::{HandlerLink, Terms, tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{Delivery, Holders, Outgoing};
use bytes::Bytes;
use edge::{Audience, Backlog, Exchange, Fault, FaultKind, Reading, Relayed, Spoken, Turn};
use http1::{CloseReason, Framing, RequestHead};
use sha1::{Digest as _, Sha1};
use std::sync::Arc;
use wire::request::HeaderDict;
use wire::websocket::{Decoder, Extensions, Violation, close_frame, code};

/// What the key is joined with (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The accept key if this request is a handshake (RFC 6455 section 4.2.1); `Err` if it is one for
/// another version. Anything that lacks a part is an ordinary request, as in Mongrel2.
pub(super) fn accept_key(head: &RequestHead) -> Result<Option<String>, Fault> {
    // Only in HTTP/1.1, and only with `upgrade` in Connection.
    if head.upgrade().is_none() {
        return Ok(None);
    }
    let protocols = head.fields_named("upgrade").flat_map(|list| list.split(|&byte| byte == b','));
    let asks = head.is_get()
        && matches!(head.framing(), Framing::None | Framing::Length(0))
        && protocols.into_iter().any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"));
    if !asks {
        return Ok(None);
    }
    let (key, version) = (only(head, "sec-websocket-key"), only(head, "sec-websocket-version"));
    let (Some(key), Some(version)) = (key, version) else { return Ok(None) };
    if !STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        return Ok(None);
    }
    if version != b"13" {
        return Err(FaultKind::WebSocketVersion.into());
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    Ok(Some(STANDARD.encode(digest)))
}

/// The value of a field that must stand once.
fn only<'a>(head: &'a RequestHead, name: &'static str) -> Option<&'a [u8]> {
    let mut values = head.fields_named(name);
    let value = values.next()?;
    values.next().is_none().then(|| value.trim_ascii())
}

impl HandlerLink {
    /// Passes the handshake on, and messages once a handler has answered it with 101.
    pub(super) async fn websocket(
        &self,
        exchange: &mut Exchange<'_, '_>,
        audience: &Arc<dyn Audience>,
        terms: Terms<'_>,
        accept: &str,
    ) -> Result<Relayed, Fault> {
        exchange.client.open(audience);
        let handshake = self.request(exchange, terms, Written::Handshake(accept));
        self.send_request(exchange, handshake)?;
        exchange.client.expect_answer(terms.limits.handler_timeout);
        loop {
            match exchange.client.turn(&mut exchange.body, Reading::Paused).await {
                Turn::Upgraded => break,
                Turn::Over(relayed) => return Ok(relayed),
                Turn::Failed(fault) => return Err(fault),
                Turn::Piece(_) | Turn::BodyEnd | Turn::Credits(_) => {}
            }
        }
        // Its handler owes no answer any more: each message may go to another one.
        if self.link.answered(tag(exchange)) == Holders::Several {
            // A second 101 would stand among the frames.
            let word = close_frame(code::TRY_AGAIN_LATER, "Two handlers may have answered.");
            return Ok(exchange.client.say_last(word, CloseReason::HandlerLost).await);
        }
        Ok(self.messages(exchange, terms).await)
    }

    async fn messages(&self, exchange: &mut Exchange<'_, '_>, terms: Terms<'_>) -> Relayed {
        let extensions = match exchange.client.agrees_on_extensions() {
            true => Extensions::Agreed,
            false => Extensions::None,
        };
        let limits = terms.limits;
        let message_bytes_max = limits.websocket_message_bytes_max;
        let mut messages = Messages {
            decoder: Decoder::new(message_bytes_max, extensions),
            headers: headers(exchange, terms),
            backlog: Backlog::new(message_bytes_max, limits.handler_queue_timeout),
        };
        loop {
            let bytes = match exchange.client.spoken(&mut exchange.body).await {
                Spoken::Bytes(bytes) => bytes,
                Spoken::Failed(fault) => return refuse(exchange, &fault).await,
                Spoken::Draining => {
                    let word = close_frame(code::GOING_AWAY, "The server is going down.");
                    return exchange.client.say_last(word, CloseReason::Draining).await;
                }
                Spoken::Over(relayed) => return relayed,
            };
            match self.pass_on(exchange, &mut messages, bytes).await {
                Ok(()) => {}
                Err(End::Client(violation)) => return violated(exchange, violation).await,
                Err(End::Handler(Fault { kind: FaultKind::Killed(reason), .. })) => {
                    return exchange.client.over(reason);
                }
                Err(End::Handler(fault)) => return refuse(exchange, &fault).await,
            }
        }
    }

    async fn pass_on(
        &self,
        exchange: &Exchange<'_, '_>,
        messages: &mut Messages<'_>,
        mut bytes: Bytes,
    ) -> Result<(), End> {
        while let Some(message) = messages.decoder.next(&mut bytes).map_err(End::Client)? {
            let size = message.payload.len();
            let place = exchange.client.place(&messages.backlog, size).await;
            let place = place.map_err(End::Handler)?;
            let encoded = encode_frame(&self.handler, exchange, &mut messages.headers, &message);
            let delivery = Delivery::Message { tag: tag(exchange) };
            self.send(Outgoing { message: place.hold(encoded), delivery }).map_err(End::Handler)?;
        }
        Ok(())
    }
}

/// What a client's messages are read and passed on with.
#[derive(Debug)]
struct Messages<'a> {
    decoder: Decoder,
    headers: HeaderDict<'a>,
    backlog: Backlog,
}

/// Who can't go on.
enum End {
    Client(Violation),
    Handler(Fault),
}

async fn violated(exchange: &mut Exchange<'_, '_>, violation: Violation) -> Relayed {
    tracing::info!(conn = %exchange.peer.conn, remote = %exchange.peer.remote, %violation, "closed a WebSocket");
    let code = violation.code();
    let word = close_frame(code, &violation.to_string());
    exchange.client.say_last(word, CloseReason::WebSocket(code)).await
}

async fn refuse(exchange: &mut Exchange<'_, '_>, fault: &Fault) -> Relayed {
    let code = code::TRY_AGAIN_LATER;
    tracing::warn!(conn = %exchange.peer.conn, text = fault.text(), "a WebSocket's message found no handler");
    exchange.client.say_last(close_frame(code, fault.text()), CloseReason::WebSocket(code)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use http1::{HeadReader, Limits};

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const ASKS: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";

    fn key(line: &str, fields: &str) -> Result<Option<String>, Fault> {
        let head = format!("{line}\r\nHost: h\r\n{fields}\r\n");
        let mut input = BytesMut::from(head.as_bytes());
        let head = HeadReader::default().read(&mut input, &Limits::default()).unwrap().unwrap();
        accept_key(&head)
    }

    #[test]
    fn a_handshake_has_all_its_parts() {
        let sample = Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
        let get = "GET /ws HTTP/1.1";
        for fields in [
            format!("{ASKS}{KEY}"),
            format!(
                "{KEY}upgrade: h2c, WebSocket\r\nCONNECTION: keep-alive, UPGRADE\r\nSec-WebSocket-Version: 13\r\n"
            ),
            format!(
                "{KEY}Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
            ),
        ] {
            assert_eq!(key(get, &fields), Ok(sample.clone()), "{fields}");
        }
        for (line, fields) in [
            ("POST /ws HTTP/1.1", format!("{ASKS}{KEY}Content-Length: 0\r\n")),
            ("GET /ws HTTP/1.0", format!("{ASKS}{KEY}")),
            (get, format!("{ASKS}{KEY}Content-Length: 5\r\n")),
            (get, ASKS.to_owned()),
            (get, format!("{ASKS}{KEY}{KEY}")),
            (get, format!("{ASKS}Sec-WebSocket-Key: \r\n")),
            (get, format!("{ASKS}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n")),
            (get, format!("{ASKS}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n")),
            (
                get,
                format!(
                    "Upgrade: websockets\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{KEY}"
                ),
            ),
            (
                get,
                format!(
                    "Upgrade: websocket\r\nConnection: Upgraded\r\nSec-WebSocket-Version: 13\r\n{KEY}"
                ),
            ),
            (get, format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{KEY}")),
            (get, format!("{ASKS}{KEY}Sec-WebSocket-Version: 8\r\n")),
        ] {
            assert_eq!(key(line, &fields), Ok(None), "{line} {fields}");
        }
        let old = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n{KEY}"
        );
        assert_eq!(key(get, &old), Err(FaultKind::WebSocketVersion.into()));
    }
}
