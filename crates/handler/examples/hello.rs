//! Answers every request with a greeting: `hello SEND_SPEC RECV_SPEC`.

use std::error::Error;

use handler::{Handler, HandlerOptions, Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: hello SEND_SPEC RECV_SPEC".into());
    };
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    loop {
        let request = handler.next().await?;
        if request.is_notice() {
            continue;
        }
        let text = format!(
            "Hello {} from Rust!\n{} {}\n",
            request.remote_addr(),
            request.method(),
            request.uri()
        );
        handler.reply_http(&request, &Response::text(200, text)).await?;
    }
}
