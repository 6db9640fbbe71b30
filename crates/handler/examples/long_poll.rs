//! GET waits for the next message, POST sends one to all who wait: `long_poll SEND_SPEC RECV_SPEC`.

use std::error::Error;
use std::time::Duration;

use handler::{Handler, HandlerOptions, Request, Response};
use tokio::time::{Instant, sleep_until};

/// Shorter than the minute after which proxies and servers give an idle connection up.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: long_poll SEND_SPEC RECV_SPEC".into());
    };
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    // In the order they came, so the first is the next whose time is up.
    let mut waiting: Vec<(Request, Instant)> = Vec::new();
    loop {
        let next_end = waiting.first().map(|(_, end)| *end);
        let request = tokio::select! {
            request = handler.next() => request?,
            () = sleep_until(next_end.unwrap_or_else(Instant::now)), if next_end.is_some() => {
                let (request, _) = waiting.remove(0);
                handler.reply_http(&request, &Response::new(204)).await?;
                continue;
            }
        };
        if request.is_notice() {
            waiting.retain(|(waiter, _)| waiter.conn() != request.conn());
        } else if request.method() == "POST" {
            let message = Response::text(200, request.body().clone());
            for (waiter, _) in waiting.drain(..) {
                handler.reply_http(&waiter, &message).await?;
            }
            handler.reply_http(&request, &Response::new(204)).await?;
        } else {
            waiting.push((request, Instant::now() + WAIT_MAX));
        }
    }
}
