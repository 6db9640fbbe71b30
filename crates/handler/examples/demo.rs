//! The demo's handler in Rust: a greeting, a hashed upload, and a count that all browsers watch.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use handler::{Event, Handler, HandlerOptions, Replies, Request, Response, SendError, Upload};
use sha2::{Digest as _, Sha256};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = HandlerOptions::new("ipc://run/rust.requests", "ipc://run/rust.replies");
    let mut handler = Handler::connect(options).await?;
    let mut watching: Vec<u64> = Vec::new();
    let mut count = 0_u64;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut restarts = 0;
    loop {
        // The ids of a server that has restarted mean nothing to the new one.
        if handler.restarts() != restarts {
            restarts = handler.restarts();
            watching.clear();
        }
        let request = tokio::select! {
            request = handler.next() => request?,
            _ = tick.tick() => {
                count += 1;
                handler.send_event(&watching, &state(count, watching.len())).await?;
                continue;
            }
        };
        if request.is_disconnect() {
            watching.retain(|&conn| conn != request.conn());
        } else if request.path() == "/live" {
            if handler.start_events(&request).await? {
                watching.push(request.conn());
                handler.send_event(&[request.conn()], &state(count, watching.len())).await?;
            }
        } else {
            let replies = handler.replies().clone();
            tokio::spawn(async move {
                if let Err(error) = answer(&replies, &request).await {
                    tracing::warn!(%error, "a request got no answer");
                }
            });
        }
    }
}

fn state(count: u64, watchers: usize) -> Event {
    Event::new(format!(r#"{{"count":{count},"watchers":{watchers}}}"#))
}

async fn answer(replies: &Replies, request: &Request) -> Result<(), SendError> {
    let response = match (&*request.path(), request.upload()) {
        // The body is on its way to the file; there is nothing to say yet.
        (_, Some(Upload::Started(_))) => return Ok(()),
        (_, Some(Upload::Done(file))) => {
            let file = file.to_owned();
            match tokio::task::spawn_blocking(move || digest_and_remove(&file)).await {
                Ok(Ok(text)) => Response::text(200, text),
                _ => Response::text(500, "The upload could not be read.\n"),
            }
        }
        ("/upload", None) => {
            let digest = hex(&Sha256::digest(request.body()));
            Response::text(
                200,
                format!("{} bytes, in one message\nsha256 {digest}\n", request.body().len()),
            )
        }
        _ => {
            let text = format!(
                "Hello from Rust, process {}.\nYou are {} and asked for {}.\n",
                std::process::id(),
                request.remote_addr(),
                request.uri()
            );
            Response::text(200, text)
        }
    };
    replies.reply_http(request, &response).await
}

/// The file is ours once the upload is done: it is read and goes away.
fn digest_and_remove(file: &Path) -> std::io::Result<String> {
    let began = Instant::now();
    let mut hash = Sha256::new();
    let size = std::io::copy(&mut std::fs::File::open(file)?, &mut Hashing(&mut hash))?;
    std::fs::remove_file(file)?;
    let digest = hex(&hash.finalize());
    let name = file.display();
    Ok(format!(
        "{size} bytes, by way of {name}\nsha256 {digest}\nhashed in {:.2?}\n",
        began.elapsed()
    ))
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}
