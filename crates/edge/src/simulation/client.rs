//! Plays a script: sends its bytes in random parts and reads what comes, in a hurry or not.

use super::Random;
use super::answers::{Heard, read};
use super::script::{After, Last, Script};
use crate::socket::memory::Pipe;
use std::cell::RefCell;
use std::future::poll_fn;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Longer than every deadline of the server, one after the other.
pub(super) const HANG: Duration = Duration::from_secs(3600);
/// So many parts of one send, with pauses between them, come before any deadline.
const PARTS_MAX: usize = 30;
const PAUSE_MAX_MS: usize = 40;
/// What is this short may come byte by byte.
const DRIP_MAX: usize = 400;

/// The two directions of a connection, as the client holds them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends<'a> {
    pub(super) to_server: &'a Pipe,
    pub(super) to_client: &'a Pipe,
}

/// What has come so far.
#[derive(Debug, Default)]
struct Inbox {
    bytes: RefCell<Vec<u8>>,
    has_ended: RefCell<bool>,
    news: Notify,
}

pub(super) async fn play(script: &Script, ends: Ends<'_>, random: &mut Random) -> Heard {
    let inbox = Inbox::default();
    let mut pace = Random(random.next());
    let both = async {
        tokio::join!(
            send(script, ends.to_server, &inbox, random),
            listen(script, ends, &inbox, &mut pace)
        )
    };
    if tokio::time::timeout(HANG, both).await.is_err() {
        ends.to_server.break_off();
        ends.to_client.break_off();
        return Heard { broken: Some("the server hangs".to_owned()), ..Heard::default() };
    }
    read(&inbox.bytes.into_inner(), &script.expected)
}

async fn send(script: &Script, pipe: &Pipe, inbox: &Inbox, random: &mut Random) {
    for send in &script.sends {
        // Whoever does not read can't wait for a word.
        while script.last != Last::ReadNoMore && !inbox.has(send.after, script) {
            inbox.news.notified().await;
        }
        for part in parts(&send.bytes, random) {
            if write(pipe, part).await.is_err() {
                return;
            }
            pause(random).await;
        }
    }
    if script.last == Last::HalfClose {
        pipe.end();
    }
}

async fn listen(script: &Script, ends: Ends<'_>, inbox: &Inbox, pace: &mut Random) {
    if script.last == Last::ReadNoMore {
        return;
    }
    let hurries = pace.one_in(2);
    let mut buffer = vec![0; if hurries { 64 << 10 } else { 1 + pace.below(20_000) }];
    loop {
        let mut buf = ReadBuf::new(&mut buffer);
        let read = poll_fn(|cx| ends.to_client.poll_read(cx, &mut buf)).await;
        let came = buf.filled();
        inbox.bytes.borrow_mut().extend_from_slice(came);
        let is_over = read.is_err() || came.is_empty();
        *inbox.has_ended.borrow_mut() |= is_over;
        inbox.news.notify_one();
        if is_over {
            return;
        }
        if let Last::Reset { after_bytes } = script.last
            && inbox.bytes.borrow().len() >= after_bytes
        {
            ends.to_server.break_off();
            ends.to_client.break_off();
        }
        if !hurries {
            pause(pace).await;
        }
    }
}

impl Inbox {
    fn has(&self, after: After, script: &Script) -> bool {
        if *self.has_ended.borrow() {
            return true;
        }
        let heard = || read(&self.bytes.borrow(), &script.expected);
        match after {
            After::Nothing => true,
            After::Answers(count) => heard().answers.len() >= count,
            After::WordBeyond(count) => {
                let heard = heard();
                heard.answers.len() > count || heard.ends_with_interim
            }
        }
    }
}

/// Cuts `bytes` into one part, single bytes, or a few random ones.
fn parts<'a>(bytes: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    match random.below(3) {
        0 => vec![bytes],
        1 if bytes.len() <= DRIP_MAX => bytes.chunks(1).collect(),
        _ => {
            let mut parts = Vec::new();
            let mut rest = bytes;
            while !rest.is_empty() {
                let last = parts.len() + 1 == PARTS_MAX;
                let cut = if last { rest.len() } else { 1 + random.below(rest.len()) };
                let (part, after) = rest.split_at(cut);
                parts.push(part);
                rest = after;
            }
            parts
        }
    }
}

async fn write(pipe: &Pipe, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| pipe.poll_write(cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

async fn pause(random: &mut Random) {
    match random.below(8) {
        0 => sleep(Duration::from_millis(random.below(PAUSE_MAX_MS) as u64)).await,
        1..4 => tokio::task::yield_now().await,
        _ => {}
    }
}
