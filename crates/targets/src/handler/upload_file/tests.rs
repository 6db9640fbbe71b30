//! Tests of how pieces get into a file.

use super::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

async fn spool(folder: &TempDir, digest: Option<UploadDigest>) -> Spool {
    let store = UploadStore::open(&format!("{}/XXXXXX", folder.path().display()), "owner").await;
    let claim = store.claim(None, None).unwrap();
    let uploads = Uploads { mode: 0o600, digest, ..Uploads::default() };
    Spool::create(&store, claim, &uploads, None).await.unwrap()
}

async fn write(spool: &mut Spool) {
    spool.write(None);
    assert!(spool.is_busy());
    spool.written().await;
    assert_eq!(spool.settle().unwrap().1, Poured::Dry);
    assert!(!spool.is_busy());
}

/// Files that are no manifest.
fn files(folder: &TempDir) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}

#[tokio::test]
async fn pieces_arrive_in_order_and_a_kept_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = spool(&folder, Some(UploadDigest::Sha256)).await;
    let large = (0..40_u8).map(|byte| Bytes::from(vec![byte; 60_000 + usize::from(byte)]));
    let small = (0..5000_u16).map(|at| Bytes::copy_from_slice(&at.to_be_bytes()));
    let pieces: Vec<Bytes> = large.chain(small).collect();
    for piece in &pieces {
        spool.push(piece.clone()).unwrap();
        if spool.is_full() {
            write(&mut spool).await;
        }
    }
    let name = spool.name().to_owned();
    let finished = spool.finish().await.unwrap();
    assert_eq!(finished.size, pieces.concat().len() as u64);
    assert_eq!(finished.digest, Some(sha256_text(Sha256::new_with_prefix(pieces.concat()))));
    finished.keep();
    assert_eq!(std::fs::read(name).unwrap(), pieces.concat());
}

#[test]
fn a_digest_is_written_as_everybody_writes_it() {
    let text = sha256_text(Sha256::new_with_prefix(b"abc"));
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(text, format!("sha-256={abc}"));
}

#[test]
fn whatever_is_dropped_removes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    // The end of a runtime waits for its threads.
    let after = |finish: bool, pieces: usize| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        runtime.unwrap().block_on(async {
            let mut spool = spool(&folder, None).await;
            for _ in 0..pieces {
                spool.push(Bytes::from(vec![7; 300_000])).unwrap();
                write(&mut spool).await;
            }
            assert_eq!(files(&folder).len(), 1);
            if pieces == 2 {
                spool.push(Bytes::from(vec![7; 300_000])).unwrap();
                spool.write(None);
            }
            if finish {
                let mut finished = spool.finish().await.unwrap();
                finished.list().await;
                drop(finished);
            } else {
                drop(spool);
            }
        });
        assert!(files(&folder).is_empty(), "finish: {finish}, pieces: {pieces}");
    };
    after(false, 0);
    after(false, 1);
    after(false, 2);
    after(true, 3);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_our_fault() {
    let store = UploadStore::open("/no/such/folder/XXXXXX", "owner").await;
    let claim = store.claim(Some(1), None).unwrap();
    let fault = Spool::create(&store, claim, &Uploads::default(), None).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Internal);
    assert!(!Path::new("/no/such/folder").exists());
}
