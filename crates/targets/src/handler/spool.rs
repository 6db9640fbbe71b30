//! A body too large for one message: to a file, between an upload's *start* and *done* messages.

use super::message::Written;
use super::{HandlerLink, Terms};
use bus::{Delivery, Outgoing, Tag};
use bytes::Bytes;
use edge::{Audience, Exchange, Fault, FaultKind, Reading, Relayed, Turn};
use http1::Framing;
use std::fs::Permissions;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

/// The six letters that end a template, as mkstemp(3) wants them.
const RANDOM: &str = "XXXXXX";
/// Pieces are gathered to this size before a thread is asked to write them.
const BATCH_BYTES: usize = 512 << 10;

impl HandlerLink {
    /// Writes the body to a file, telling the handler before and after.
    pub(super) async fn spool(
        &self,
        exchange: &mut Exchange<'_, '_>,
        audience: &Arc<dyn Audience>,
        terms: Terms<'_>,
    ) -> Result<Relayed, Fault> {
        let Some(template) = &terms.uploads.temp_store else {
            return Err(too_large(terms.limits.content_length));
        };
        let size_max = terms.limits.upload_size_max;
        if let (Framing::Length(length), Some(max)) = (exchange.head.framing(), size_max)
            && length > max
        {
            return Err(too_large(max));
        }
        let mut spool = Spool::create(template.clone(), terms.uploads.mode).await?;
        exchange.client.open(audience);
        let start = self.request(exchange, terms, Written::UploadStart(&spool.name));
        let tag = Tag { conn: exchange.peer.conn.0, exchange: exchange.client.exchange() };
        self.send(Outgoing { message: start, delivery: Delivery::Message { tag } })?;
        exchange.invite().await.map_err(|_| FaultKind::ClientGone)?;

        let mut size = 0_u64;
        loop {
            match exchange.client.turn(&mut exchange.body, Reading::Body).await {
                Turn::Piece(piece) => {
                    size += piece.len() as u64;
                    if size_max.is_some_and(|max| size > max) {
                        return Err(too_large(size_max.unwrap_or_default()));
                    }
                    spool.push(piece).await?;
                }
                Turn::BodyEnd => break,
                Turn::Credits(_) | Turn::Upgraded => {}
                // Dropping the spool removes the file.
                Turn::Failed(fault) => return Err(fault),
                Turn::Over(relayed) => return Ok(relayed),
            }
        }
        spool.flush().await?;
        let done = self.request(exchange, terms, Written::UploadDone(&spool.name));
        if exchange.client.is_answered() {
            // Nobody waits for an answer to it, but the handler still gets its file.
            self.send(Outgoing { message: done, delivery: Delivery::Notice })?;
        } else {
            self.send_request(exchange, done)?;
        }
        spool.keep()?;
        exchange.client.expect_answer(terms.limits.handler_timeout);
        exchange.client.relay(&mut exchange.body).await
    }
}

fn too_large(limit: u64) -> Fault {
    let text = format!("The body is larger than the {limit} bytes that are taken here.");
    Fault::new(FaultKind::BodyTooLarge, text)
}

/// A file that is being written, and goes away unless it is kept.
#[derive(Debug)]
struct Spool {
    /// As handlers know it: the template with its random letters.
    name: String,
    state: State,
    batch: Vec<Bytes>,
    batch_bytes: usize,
}

#[derive(Debug)]
enum State {
    Idle(NamedTempFile),
    Writing(JoinHandle<io::Result<NamedTempFile>>),
    /// An error has been reported, or the file was kept.
    Over,
}

impl Spool {
    async fn create(template: String, mode: u32) -> Result<Self, Fault> {
        let (name, file) = blocking(move || create(&template, mode)).await?;
        Ok(Self { name, state: State::Idle(file), batch: Vec::new(), batch_bytes: 0 })
    }

    async fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.batch_bytes += piece.len();
        self.batch.push(piece);
        if self.batch_bytes < BATCH_BYTES { Ok(()) } else { self.write_batch().await }
    }

    /// One batch is written while the next is read, never more: a slow disk slows the client.
    async fn write_batch(&mut self) -> Result<(), Fault> {
        let mut file = self.idle().await?;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.state = State::Writing(spawn_blocking(move || {
            write_all(&mut file, &batch)?;
            Ok(file)
        }));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        self.write_batch().await?;
        self.state = State::Idle(self.idle().await?);
        Ok(())
    }

    /// Gives the file to the handler.
    fn keep(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Idle(file) => file.keep().map(drop).map_err(|error| store_fault(&error.error)),
            State::Writing(_) | State::Over => Err(FaultKind::Internal.into()),
        }
    }

    async fn idle(&mut self) -> Result<NamedTempFile, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Idle(file) => Ok(file),
            State::Writing(writing) => match writing.await {
                Ok(written) => written.map_err(|error| store_fault(&error)),
                Err(_) => Err(FaultKind::Internal.into()),
            },
            State::Over => Err(FaultKind::Internal.into()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| store_fault(&error)),
        Err(_) => Err(FaultKind::Internal.into()),
    }
}

/// Opens a new file named after `template`, whose last six letters are replaced.
fn create(template: &str, mode: u32) -> io::Result<(String, NamedTempFile)> {
    let stem = template.strip_suffix(RANDOM).unwrap_or(template);
    let (folder, prefix) = match stem.rfind('/') {
        Some(slash) => stem.split_at(slash + 1),
        None => ("", stem),
    };
    let file = tempfile::Builder::new()
        .prefix(prefix)
        .suffix("")
        .rand_bytes(RANDOM.len())
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(if folder.is_empty() { Path::new(".") } else { Path::new(folder) })?;
    // open(2) applies the umask; the operator's mode is meant as it stands.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    let random = file.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok((format!("{folder}{random}"), file))
}

fn write_all(file: &mut NamedTempFile, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.as_file_mut().write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn store_fault(error: &io::Error) -> Fault {
    tracing::error!(%error, "can't write an upload to upload.temp_store");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::StoreFull.into(),
        _ => Fault::new(FaultKind::Internal, "The body could not be stored."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_a_new_file_with_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let template = format!("{}/up.XXXXXX", folder.path().display());
        let (name, file) = create(&template, 0o666).unwrap();
        assert!(name.starts_with(template.strip_suffix(RANDOM).unwrap()), "{name}");
        assert_eq!(name.len(), template.len());
        assert_eq!(file.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o666);
        drop(file);
        assert!(!Path::new(&name).exists(), "a file that is not kept goes away");
    }

    #[tokio::test]
    async fn pieces_arrive_in_order_and_a_kept_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let template = format!("{}/XXXXXX", folder.path().display());
        let mut spool = Spool::create(template, 0o600).await.unwrap();
        let pieces: Vec<Bytes> =
            (0..40_u8).map(|byte| Bytes::from(vec![byte; 60_000 + usize::from(byte)])).collect();
        for piece in &pieces {
            spool.push(piece.clone()).await.unwrap();
        }
        spool.flush().await.unwrap();
        spool.keep().unwrap();
        let name = spool.name.clone();
        drop(spool);
        assert_eq!(std::fs::read(name).unwrap(), pieces.concat());
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_our_fault() {
        let fault = Spool::create("/no/such/folder/XXXXXX".to_owned(), 0o600).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Internal);
    }
}
