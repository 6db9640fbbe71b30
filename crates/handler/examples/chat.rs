//! A chat: GET opens a stream of what is said, POST says something: `chat SEND_SPEC RECV_SPEC`.

use std::collections::BTreeSet;
use std::error::Error;

use handler::{Event, Handler, HandlerOptions, Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: chat SEND_SPEC RECV_SPEC".into());
    };
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    let mut listeners = BTreeSet::new();
    let mut restarts = 0;
    loop {
        let request = handler.next().await?;
        // The ids of a server that has restarted mean nothing to the new one.
        if handler.restarts() != restarts {
            restarts = handler.restarts();
            listeners.clear();
        }
        if request.is_notice() {
            listeners.remove(&request.conn());
            continue;
        }
        match &*request.method() {
            "POST" => {
                let said = String::from_utf8_lossy(request.body());
                let event = Event::new(format!("{}: {said}", request.remote_addr()));
                let conns: Vec<u64> = listeners.iter().copied().collect();
                handler.send_event(&conns, &event).await?;
                handler.reply_http(&request, &Response::new(204)).await?;
            }
            "GET" => {
                if handler.start_events(&request).await? {
                    listeners.insert(request.conn());
                }
            }
            _ => {
                let answer = Response::text(405, "GET to listen, POST to speak\n");
                handler.reply_http(&request, &answer.header("Allow", "GET, POST")).await?;
            }
        }
    }
}
