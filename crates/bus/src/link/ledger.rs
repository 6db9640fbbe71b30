//! Every message a link knows of: by tag, and by the peer that holds it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;
use zmtp::PeerId;

use super::events::{Delivery, Holders, Tag};
use super::slab::{Key, Slab};

/// One message and where it is.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, true for good")]
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Bytes,
    pub(super) delivery: Delivery,
    pub(super) place: Place,
    /// Since when it has been on its way to a peer: what `queue_timeout` counts from.
    pub(super) accepted: Instant,
    /// Since when its peer has it.
    pub(super) given: Instant,
    /// Which of the messages that its peer was given it is.
    pub(super) number: u64,
    /// Since when its answer may be one that is lost.
    pub(super) lapsed: Option<Instant>,
    pub(super) retries: u32,
    /// Parts of it were lost with its peer: it can't be answered as it was meant.
    pub(super) is_torn: bool,
    /// The client has had the first bytes of its answer.
    pub(super) has_begun: bool,
    /// A peer that is still there has been given it before.
    pub(super) is_contested: bool,
    /// Its client has left: nobody waits for an answer.
    pub(super) is_abandoned: bool,
    /// The peer that let it wait, and is not to be asked again.
    pub(super) late_peer: Option<PeerId>,
    /// Somebody waits for a peer to be given it.
    pub(super) is_awaited: bool,
    /// How long its answer took has been counted.
    pub(super) is_clocked: bool,
    same_tag: Links,
    same_peer: Links,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the link's queue.
    Waiting,
    /// In the queue of a lane.
    Queued(usize),
    /// In the batch that a lane's peer is being written.
    Batch(usize),
    /// Written to a lane's peer, unanswered.
    Held(usize),
    /// Written to a peer that has left, and whose answer may still be on its way.
    Orphaned,
}

#[derive(Debug, Clone, Copy, Default)]
struct Links {
    before: Option<Key>,
    after: Option<Key>,
}

/// First and last of a list that runs through entries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) first: Option<Key>,
    last: Option<Key>,
}

impl Entry {
    pub(super) fn tag(&self) -> Tag {
        self.delivery.tag()
    }

    pub(super) fn is_request(&self) -> bool {
        matches!(self.delivery, Delivery::Request { .. })
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(self.delivery, Delivery::Message { .. })
    }

    pub(super) fn is_part(&self) -> bool {
        matches!(self.delivery, Delivery::Part { .. })
    }

    pub(super) fn is_replayable(&self) -> bool {
        matches!(self.delivery, Delivery::Request { replayable: true, .. })
    }

    /// No peer has had a byte of it; if it was sent before, none of the latest.
    pub(super) fn is_unwritten(&self) -> bool {
        matches!(self.place, Place::Waiting | Place::Queued(_))
    }

    /// Who may answer it.
    pub(super) fn holders(&self) -> Holders {
        if self.is_contested {
            return Holders::Several;
        }
        match (self.retries > 0, self.is_unwritten()) {
            (false, true) => Holders::Nobody,
            (true, true) | (false, false) => Holders::One,
            (true, false) => Holders::Several,
        }
    }

    /// It must not be sent again; what is written of it need not be kept.
    pub(super) fn forbid_replay(&mut self) {
        if let Delivery::Request { replayable, .. } = &mut self.delivery {
            *replayable = false;
        }
        if matches!(self.place, Place::Held(_) | Place::Orphaned) {
            self.message = Bytes::new();
        }
    }

    /// The next one that the same peer has.
    pub(super) fn next_of_peer(&self) -> Option<Key> {
        self.same_peer.after
    }
}

/// The entries and their lists. Inserting or removing one is a single operation on a hash map.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Slab<Entry>,
    by_tag: HashMap<Tag, Ends, BuildHasherDefault<IdHasher>>,
}

impl Ledger {
    pub(super) fn insert(&mut self, message: Bytes, delivery: Delivery, now: Instant) -> Key {
        let key = self.entries.insert(Entry {
            message,
            delivery,
            place: Place::Waiting,
            accepted: now,
            given: now,
            number: 0,
            lapsed: None,
            retries: 0,
            is_torn: false,
            has_begun: false,
            is_contested: false,
            is_abandoned: false,
            is_awaited: false,
            late_peer: None,
            is_clocked: false,
            same_tag: Links::default(),
            same_peer: Links::default(),
        });
        let tag = delivery.tag();
        let ends = self.by_tag.entry(tag).or_default();
        append(&mut self.entries, ends, key, |entry| &mut entry.same_tag);
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes an entry that is on no peer's list.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let tag = self.entries.get(key)?.tag();
        if let Some(ends) = self.by_tag.get_mut(&tag) {
            unlink(&mut self.entries, ends, key, |entry| &mut entry.same_tag);
            if ends.first.is_none() {
                self.by_tag.remove(&tag);
            }
        }
        self.entries.remove(key)
    }

    /// The entries of a tag.
    pub(super) fn of_tag(&self, tag: Tag) -> impl Iterator<Item = &Entry> {
        let mut next = self.by_tag.get(&tag).and_then(|ends| ends.first);
        std::iter::from_fn(move || {
            let entry = self.entries.get(next?)?;
            next = entry.same_tag.after;
            Some(entry)
        })
    }

    /// The entries of a connection; looks at every tag there is.
    pub(super) fn of_conn(&self, conn: u64) -> impl Iterator<Item = &Entry> {
        let tags = self.by_tag.keys().filter(move |tag| tag.conn == conn);
        tags.flat_map(|&tag| self.of_tag(tag))
    }

    /// The keys of a tag's entries.
    pub(super) fn keys_of_tag(&self, tag: Tag) -> SmallVec<[Key; 2]> {
        let mut next = self.by_tag.get(&tag).and_then(|ends| ends.first);
        std::iter::from_fn(|| {
            let key = next?;
            next = self.entries.get(key)?.same_tag.after;
            Some(key)
        })
        .collect()
    }

    pub(super) fn hold(&mut self, held: &mut Ends, key: Key) {
        append(&mut self.entries, held, key, |entry| &mut entry.same_peer);
    }

    pub(super) fn release(&mut self, held: &mut Ends, key: Key) {
        unlink(&mut self.entries, held, key, |entry| &mut entry.same_peer);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        self.by_tag.clear();
        self.entries.drain()
    }
}

fn append(
    entries: &mut Slab<Entry>,
    ends: &mut Ends,
    key: Key,
    links: impl Fn(&mut Entry) -> &mut Links,
) {
    let before = ends.last.replace(key);
    match before.and_then(|before| entries.get_mut(before)) {
        Some(last) => links(last).after = Some(key),
        None => ends.first = Some(key),
    }
    if let Some(entry) = entries.get_mut(key) {
        *links(entry) = Links { before, after: None };
    }
}

fn unlink(
    entries: &mut Slab<Entry>,
    ends: &mut Ends,
    key: Key,
    links: impl Fn(&mut Entry) -> &mut Links,
) {
    let Some(entry) = entries.get_mut(key) else { return };
    let Links { before, after } = std::mem::take(links(entry));
    match before.and_then(|before| entries.get_mut(before)) {
        Some(entry) => links(entry).after = after,
        None => ends.first = after,
    }
    match after.and_then(|after| entries.get_mut(after)) {
        Some(entry) => links(entry).before = before,
        None => ends.last = before,
    }
}

/// For numbers this process gives out itself: nobody can choose them to collide.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
