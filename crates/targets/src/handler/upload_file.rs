//! One upload on its way to its file: pieces are gathered here and written by threads that may
//! wait for the disk.

use super::upload_store::{Claim, Slot, UploadFile, UploadStore};
use bytes::Bytes;
use edge::{Fault, FaultKind};
use sha2::{Digest, Sha256};
use site::UploadDigest;
use std::fmt::Write as _;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use tempfile::TempPath;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

/// Pieces are gathered to this size before a thread is asked to write them.
const BATCH_BYTES: usize = 512 << 10;
/// As many pieces as one system call takes; what a client sends in chunks of one byte must not
/// weigh much more in memory than it does on the wire.
const BATCH_PIECES_MAX: usize = 1024;

/// A file that is being written, and goes away unless it is finished and kept.
#[derive(Debug)]
pub(super) struct Spool {
    name: String,
    state: State,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    claim: Claim,
    /// Bytes taken so far.
    size: u64,
}

#[derive(Debug)]
enum State {
    Idle(Box<Open>),
    Writing(JoinHandle<io::Result<Box<Open>>>),
    /// An error has been reported, or the file is finished.
    Over,
}

/// What the writing threads work on.
#[derive(Debug)]
struct Open {
    file: UploadFile,
    digest: Option<Sha256>,
}

/// A whole file, which goes away unless it is kept. The manifest does not list it any more.
#[derive(Debug)]
pub(super) struct Finished {
    whole: Option<Whole>,
    pub(super) size: u64,
    /// As RFC 9530 names it: algorithm, `=`, value; here in hexadecimal.
    pub(super) digest: Option<String>,
}

#[derive(Debug)]
struct Whole {
    // Dropped in this order, see `UploadFile`.
    path: TempPath,
    slot: Slot,
    claim: Claim,
}

impl Spool {
    /// Makes the file. `claim` holds all of the body's length, if that is known.
    pub(super) async fn create(
        store: &Arc<UploadStore>,
        claim: Claim,
        mode: u32,
        digest: Option<UploadDigest>,
    ) -> Result<Self, Fault> {
        let store = Arc::clone(store);
        let file = blocking(move || {
            if store.fits()? { store.create(mode) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
        .await?;
        let digest = digest.map(|UploadDigest::Sha256| Sha256::new());
        Ok(Self {
            name: file.name.clone(),
            state: State::Idle(Box::new(Open { file, digest })),
            batch: Vec::new(),
            batch_bytes: 0,
            claim,
            size: 0,
        })
    }

    /// As handlers know the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.size += piece.len() as u64;
        if let Some(more) = self.size.checked_sub(self.claim.bytes()).filter(|&more| more > 0) {
            self.claim.grow(more)?;
        }
        self.batch_bytes += piece.len();
        self.batch.push(piece);
        if self.batch_bytes < BATCH_BYTES && self.batch.len() < BATCH_PIECES_MAX {
            return Ok(());
        }
        self.write_batch().await
    }

    /// One batch is written while the next is read, never more: a slow disk slows the client.
    async fn write_batch(&mut self) -> Result<(), Fault> {
        let mut open = self.idle().await?;
        let batch = self.take_batch();
        self.state = State::Writing(spawn_blocking(move || {
            open.write(&batch)?;
            Ok(open)
        }));
        Ok(())
    }

    fn take_batch(&mut self) -> Vec<Bytes> {
        self.claim.wrote(std::mem::take(&mut self.batch_bytes) as u64);
        std::mem::take(&mut self.batch)
    }

    /// Writes what is left. From now on a kill of the server leaves the file, because a handler
    /// may have been told that it is whole.
    pub(super) async fn finish(mut self) -> Result<Finished, Fault> {
        let mut open = self.idle().await?;
        let batch = self.take_batch();
        let size = self.size;
        let (path, slot, digest) = blocking(move || {
            open.write(&batch)?;
            let Open { file: UploadFile { temp, mut slot, .. }, digest } = *open;
            let path = temp.into_temp_path();
            slot.clear()?;
            Ok((path, slot, digest.map(sha256_text)))
        })
        .await?;
        // The room is the upload's until the file is the handler's.
        let claim = self.claim.take();
        Ok(Finished { whole: Some(Whole { path, slot, claim }), size, digest })
    }

    async fn idle(&mut self) -> Result<Box<Open>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Idle(open) => Ok(open),
            State::Writing(writing) => match writing.await {
                Ok(written) => written.map_err(|error| store_fault(&error)),
                Err(_) => Err(FaultKind::Internal.into()),
            },
            State::Over => Err(FaultKind::Internal.into()),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What is being written now is removed by the thread that writes it.
        if let State::Idle(open) = std::mem::replace(&mut self.state, State::Over) {
            drop_elsewhere((open, self.claim.take()));
        }
    }
}

impl Open {
    fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        if let Some(digest) = &mut self.digest {
            for piece in batch {
                digest.update(piece);
            }
        }
        let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match self.file.temp.as_file_mut().write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Finished {
    /// No handler has it yet: should the server be killed, it is to be removed.
    pub(super) async fn list(&mut self) {
        self.on_slot(Slot::record).await;
    }

    /// A handler has it now.
    pub(super) async fn unlist(&mut self) {
        self.on_slot(Slot::clear).await;
    }

    async fn on_slot(&mut self, change: fn(&mut Slot) -> io::Result<()>) {
        let Some(mut whole) = self.whole.take() else { return };
        let changed = spawn_blocking(move || {
            if let Err(error) = change(&mut whole.slot) {
                tracing::error!(%error, "can't write the manifest of uploads");
            }
            whole
        });
        self.whole = changed.await.ok();
    }

    /// Leaves the file to the handler.
    pub(super) fn keep(mut self) {
        if let Some(Whole { mut path, slot, claim }) = self.whole.take() {
            path.disable_cleanup(true);
            drop((path, slot, claim));
        }
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if let Some(whole) = self.whole.take() {
            drop_elsewhere(whole);
        }
    }
}

/// Removing a large file takes a while.
fn drop_elsewhere<T: Send + 'static>(file: T) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn_blocking(move || drop(file)));
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

fn store_fault(error: &io::Error) -> Fault {
    tracing::error!(%error, "can't write an upload to upload.temp_store");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FaultKind::StoreFull.into()
        }
        _ => Fault::new(FaultKind::Internal, "The body could not be stored."),
    }
}

fn sha256_text(digest: Sha256) -> String {
    let mut text = "sha-256=".to_owned();
    for byte in digest.finalize() {
        write!(text, "{byte:02x}").expect("a String takes all text");
    }
    text
}

#[cfg(test)]
mod tests;
