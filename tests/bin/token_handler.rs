//! A handler that echoes what names a request: `token_handler SENDER SEND_SPEC RECV_SPEC [...]`,
//! three words for each server.

use handler::{Handler, HandlerOptions, Response};
use std::error::Error;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let specs: Vec<String> = std::env::args().skip(1).collect();
    let mut servers = JoinSet::new();
    for server in specs.chunks_exact(3) {
        // A server takes only what begins with its recv_ident.
        let options = HandlerOptions::new(&server[1], &server[2]).sender_id(&server[0]);
        servers.spawn(serve(options));
    }
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn serve(options: HandlerOptions) -> Result<(), Box<dyn Error + Send + Sync>> {
    let send_spec = options.send_spec.clone();
    let mut handler = Handler::connect(options).await?;
    say(&format!("ready {send_spec}"));
    loop {
        let request = handler.next().await?;
        if request.is_notice() {
            continue;
        }
        let token = request.header("x-token").unwrap_or_default();
        let (method, body) = (request.method(), request.body());
        let text = format!("{method} {} {}", token.escape_ascii(), body.escape_ascii());
        let answered = handler.reply_http(&request, &Response::text(200, text)).await;
        if let Err(error) = answered {
            // The server was restarted: its new connections are not meant.
            say(&format!("not answered: {error}"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the words that a test waits for")]
fn say(text: &str) {
    println!("{text}");
}
