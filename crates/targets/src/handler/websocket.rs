//! WebSocket: the client's handshake and messages go to handlers, which make the answers (RFC 6455).

use super::message::{Written, encode_frame, headers};
use super::{HandlerLink, Terms, tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{Delivery, Outgoing};
use bytes::Bytes;
use edge::{Audience, Exchange, Fault, FaultKind, Reading, Relayed, Spoken, Turn};
use http1::{CloseReason, Framing, RequestHead};
use sha1::{Digest as _, Sha1};
use std::sync::Arc;
use wire::request::HeaderDict;
use wire::websocket::{Decoder, Extensions, Message, Violation, close_frame, code};

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
        self.link.answered(tag(exchange));
        Ok(self.messages(exchange, terms).await)
    }

    async fn messages(&self, exchange: &mut Exchange<'_, '_>, terms: Terms<'_>) -> Relayed {
        let extensions = match exchange.client.agrees_on_extensions() {
            true => Extensions::Agreed,
            false => Extensions::None,
        };
        let mut decoder = Decoder::new(terms.limits.websocket_message_bytes_max, extensions);
        let mut headers = headers(exchange, terms);
        loop {
            let mut bytes = match exchange.client.spoken(&mut exchange.body).await {
                Spoken::Bytes(bytes) => bytes,
                Spoken::Failed(fault) => {
                    return refuse(exchange, code::TRY_AGAIN_LATER, &fault).await;
                }
                Spoken::Draining => {
                    let word = close_frame(code::GOING_AWAY, "The server is going down.");
                    return exchange.client.say_last(word, CloseReason::Draining).await;
                }
                Spoken::Over(relayed) => return relayed,
            };
            if let Err(end) = self.pass_on(exchange, &mut headers, &mut decoder, &mut bytes).await {
                return match end {
                    End::Client(violation) => violated(exchange, violation).await,
                    End::Handler(fault) => refuse(exchange, code::TRY_AGAIN_LATER, &fault).await,
                };
            }
        }
    }

    async fn pass_on(
        &self,
        exchange: &Exchange<'_, '_>,
        headers: &mut HeaderDict<'_>,
        decoder: &mut Decoder,
        bytes: &mut Bytes,
    ) -> Result<(), End> {
        while let Some(message) = decoder.next(bytes).map_err(End::Client)? {
            self.send_frame(exchange, headers, &message).map_err(End::Handler)?;
            // Many small messages in one read must not fill the queue before anybody can take them.
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }

    fn send_frame(
        &self,
        exchange: &Exchange<'_, '_>,
        headers: &mut HeaderDict<'_>,
        message: &Message,
    ) -> Result<(), Fault> {
        let message = encode_frame(&self.handler, exchange, headers, message);
        self.send(Outgoing { message, delivery: Delivery::Message { tag: tag(exchange) } })
    }
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

async fn refuse(exchange: &mut Exchange<'_, '_>, code: u16, fault: &Fault) -> Relayed {
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
