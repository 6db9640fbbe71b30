//! Answers every request with a greeting, and drains on SIGTERM: `hello SEND_SPEC RECV_SPEC`.

use std::error::Error;

use handler::{Handler, HandlerOptions, Request, Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: hello SEND_SPEC RECV_SPEC".into());
    };
    let handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    Ok(handler.serve(|request| async move { greeting(&request) }).await?)
}

fn greeting(request: &Request) -> Response {
    let text = format!(
        "Hello {} from Rust!\n{} {}\n",
        request.remote_addr(),
        request.method(),
        request.uri()
    );
    Response::text(200, text)
}
