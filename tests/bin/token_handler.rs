//! A handler that echoes what names a request: `token_handler SEND_SPEC RECV_SPEC [...]`, a pair for
//! each server.

use handler::{Handler, HandlerOptions, LinkEnded, Response};
use std::error::Error;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let specs: Vec<String> = std::env::args().skip(1).collect();
    let mut servers = JoinSet::new();
    for (count, pair) in specs.chunks_exact(2).enumerate() {
        // A server takes only what begins with its recv_ident: its uuid, which it also sends.
        let options = HandlerOptions::new(&pair[0], &pair[1]);
        let options = match std::env::var(format!("SENDER_{count}")) {
            Ok(sender) => options.sender_id(sender),
            Err(_) => options,
        };
        let handler = Handler::connect(options).await?;
        servers.spawn(answer(handler));
    }
    say_ready();
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn answer(mut handler: Handler) -> Result<(), LinkEnded> {
    loop {
        let request = handler.next().await?;
        if request.is_notice() {
            continue;
        }
        let token = request.header("x-token").unwrap_or_default();
        let (method, body) = (request.method(), request.body());
        let text = format!("{method} {} {}", token.escape_ascii(), body.escape_ascii());
        if handler.reply_http(&request, &Response::text(200, text)).await.is_err() {
            return Err(LinkEnded);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the word that a test waits for")]
fn say_ready() {
    println!("ready");
}
