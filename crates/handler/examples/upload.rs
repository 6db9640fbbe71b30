//! Answers with the SHA-256 of what was uploaded, then removes the file:
//! `upload SEND_SPEC RECV_SPEC [DIRECTORY the server's upload names are relative to]`.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use handler::{Handler, HandlerOptions, Response, Upload};
use sha2::{Digest, Sha256};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: upload SEND_SPEC RECV_SPEC [DIRECTORY]".into());
    };
    let directory = args.next().unwrap_or_default();
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    loop {
        let request = handler.next().await?;
        let response = match request.upload() {
            // To refuse an upload, close its connection now.
            _ if request.is_notice() => continue,
            Some(Upload::Started(_)) => continue,
            Some(Upload::Done(name)) => {
                let path = Path::new(&directory).join(name);
                let hashed = hash_file(&path).await;
                tokio::fs::remove_file(&path).await?;
                match hashed {
                    Ok((hash, size)) => Response::text(200, format!("{hash}  {size} bytes\n")),
                    Err(error) => Response::text(500, format!("cannot read the file: {error}\n")),
                }
            }
            // A small body stands in the request itself.
            None => {
                let (hash, size) = (hex(&Sha256::digest(request.body())), request.body().len());
                Response::text(200, format!("{hash}  {size} bytes\n"))
            }
        };
        handler.reply_http(&request, &response).await?;
    }
}

async fn hash_file(path: &Path) -> io::Result<(String, usize)> {
    let path = path.to_owned();
    let hash = move || {
        let mut file = File::open(path)?;
        let mut sha256 = Sha256::new();
        let (mut size, mut buffer) = (0, vec![0; 64 * 1024]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((hex(&sha256.finalize()), size)),
                read => {
                    sha256.update(&buffer[..read]);
                    size += read;
                }
            }
        }
    };
    tokio::task::spawn_blocking(hash).await?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
