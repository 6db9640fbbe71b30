//! A chat over WebSocket, and for who only listens over server-sent events: `chat SEND_SPEC RECV_SPEC`.
//!
//! A WebSocket to any path joins; what it says, all get. GET opens a stream of what is said, POST
//! says something.

use std::collections::BTreeSet;
use std::error::Error;

use handler::{Event, Handler, HandlerOptions, Request, Response, SendError, WebSocket};

/// Who hears what is said, by connection.
#[derive(Default)]
struct Room {
    sockets: BTreeSet<u64>,
    streams: BTreeSet<u64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: chat SEND_SPEC RECV_SPEC".into());
    };
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    let mut room = Room::default();
    let mut restarts = 0;
    loop {
        let request = handler.next().await?;
        // The ids of a server that has restarted mean nothing to the new one.
        if handler.restarts() != restarts {
            restarts = handler.restarts();
            room = Room::default();
        }
        if request.is_notice() {
            room.sockets.remove(&request.conn());
            room.streams.remove(&request.conn());
        } else if let Some(said) = request.websocket() {
            websocket(&handler, &mut room, &request, said).await?;
        } else {
            http(&handler, &mut room, &request).await?;
        }
    }
}

async fn websocket(
    handler: &Handler,
    room: &mut Room,
    request: &Request,
    said: WebSocket<'_>,
) -> Result<(), SendError> {
    match said {
        WebSocket::Handshake => {
            handler.accept(request, None).await?;
            room.sockets.insert(request.conn());
        }
        WebSocket::Text(text) => say(handler, room, request, &text).await?,
        WebSocket::Ping(_) => handler.pong(request).await?,
        WebSocket::Close { .. } => {
            room.sockets.remove(&request.conn());
            handler.close_websocket(&[request.conn()], 1000, "").await?;
        }
        WebSocket::Binary(_) => {
            room.sockets.remove(&request.conn());
            handler.close_websocket(&[request.conn()], 1003, "text only").await?;
        }
        WebSocket::Pong(_) => {}
    }
    Ok(())
}

async fn http(handler: &Handler, room: &mut Room, request: &Request) -> Result<(), SendError> {
    match &*request.method() {
        "POST" => {
            say(handler, room, request, &String::from_utf8_lossy(request.body())).await?;
            handler.reply_http(request, &Response::new(204)).await
        }
        "GET" => {
            if handler.start_events(request).await? {
                room.streams.insert(request.conn());
            }
            Ok(())
        }
        _ => {
            let answer = Response::text(405, "GET or WebSocket to listen, POST to speak\n");
            handler.reply_http(request, &answer.header("Allow", "GET, POST")).await
        }
    }
}

/// One message for all sockets and one for all streams, whoever listens.
async fn say(
    handler: &Handler,
    room: &Room,
    request: &Request,
    text: &str,
) -> Result<(), SendError> {
    let line = format!("{}: {text}", request.remote_addr());
    let conns = |listeners: &BTreeSet<u64>| listeners.iter().copied().collect::<Vec<_>>();
    handler.send_text(&conns(&room.sockets), &line).await?;
    handler.send_event(&conns(&room.streams), &Event::new(line)).await
}
