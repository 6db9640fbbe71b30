//! Peers that want no more: what they were not yet written goes to others, and one last message
//! tells them that nothing follows.

use bytes::Bytes;

use super::{Effects, Fleet, Item};
use crate::link::events::NotRetired;
use crate::link::ledger::Place;

/// How far a peer's farewell has come.
#[derive(Debug, Default)]
pub(super) enum Farewell {
    /// It takes requests.
    #[default]
    None,
    /// To be said behind what it is being written.
    Due(Bytes),
    /// Part of the last batch.
    Said(Bytes),
}

impl Farewell {
    pub(super) fn is_due_or_said(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether there was one to say.
    pub(super) fn say(&mut self, give: impl FnOnce(Bytes)) -> bool {
        let Self::Due(word) = self else { return false };
        let word = std::mem::take(word);
        give(word.clone());
        *self = Self::Said(word);
        true
    }

    /// The peer has not read so far.
    pub(super) fn unsay(&mut self) {
        if let Self::Said(word) = self {
            *self = Self::Due(std::mem::take(word));
        }
    }
}

impl<H: Clone> Fleet<H> {
    /// Retires every peer whose handle is `meant`; `word` is the last message it is given.
    pub(in crate::link) fn retire(
        &mut self,
        meant: impl Fn(&H) -> bool,
        word: &Bytes,
    ) -> Result<Effects<H>, NotRetired> {
        let is_meant =
            |index: &usize| self.lanes[*index].as_ref().is_some_and(|lane| meant(&lane.handle));
        let meant: Vec<usize> = (0..self.lanes.len()).filter(is_meant).collect();
        if meant.is_empty() {
            return Err(NotRetired::Unknown);
        }
        let mut effects = Effects::default();
        for index in meant {
            self.retire_lane(index, word, &mut effects);
        }
        Ok(effects)
    }

    /// Retires the peer that has been given an unanswered request of this connection.
    pub(in crate::link) fn retire_holder(
        &mut self,
        conn: u64,
        word: &Bytes,
    ) -> Result<Effects<H>, NotRetired> {
        let mut holder = None;
        for entry in self.ledger.of_conn(conn) {
            let (Place::Batch(index) | Place::Held(index)) = entry.place else { continue };
            if holder.replace(index).is_some_and(|other| other != index) {
                return Err(NotRetired::Ambiguous);
            }
        }
        let mut effects = Effects::default();
        self.retire_lane(holder.ok_or(NotRetired::Unknown)?, word, &mut effects);
        Ok(effects)
    }

    /// Parts go nowhere else, and a request goes with its parts.
    fn is_bound(&self, item: &Item) -> bool {
        let Item::Entry(key) = *item else { return false };
        let entry = self.ledger.get(key);
        entry.is_some_and(|entry| entry.is_part() || self.has_parts(entry.tag()))
    }

    fn retire_lane(&mut self, index: usize, word: &Bytes, effects: &mut Effects<H>) {
        let Some(lane) = &mut self.lanes[index] else { return };
        if lane.farewell.is_due_or_said() {
            return;
        }
        lane.farewell = Farewell::Due(word.clone());
        if !std::mem::replace(&mut lane.awake, true) {
            effects.wake.push((lane.handle.clone(), true));
        }
        let queue = std::mem::take(&mut lane.queue);
        let (kept, back): (Vec<Item>, Vec<Item>) =
            queue.into_iter().partition(|item| self.is_bound(item));
        if let Some(lane) = &mut self.lanes[index] {
            lane.queue = kept.into();
            lane.queued -= back.iter().filter(|item| matches!(item, Item::Notice(_))).count();
        }
        self.give_all_back(&back, Some(index), effects);
        effects.arm = true;
        self.drain(effects);
    }
}
