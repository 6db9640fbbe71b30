//! The pattern language of routes and hosts: Lua's patterns with `\` for `%`, compiled at load.
//!
//! A match is a yes or no, so greedy and lazy are the same and no backtracking is needed: each item
//! of the pattern maps the set of positions reached so far to the set reached after it. The work is
//! at most items times bytes.

mod byte_set;
mod compile;
mod matcher;

use byte_set::ByteSet;
pub use compile::{PatternFault, PatternFaultKind};

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    items: Box<[Item]>,
    /// The pattern ended in `$`: the match has to reach the end of the text.
    to_the_end: bool,
}

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    One(ByteSet),
    /// `?`
    Optional(ByteSet),
    /// `*` and `-`
    Many(ByteSet),
    /// `+`
    Some(ByteSet),
    /// `\bxy`
    Balanced(u8, u8),
    /// `\f[set]`
    Frontier(ByteSet),
}

/// What comparing a text with a pattern gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Matches,
    Differs,
    /// The budget ran out before an answer was found.
    OutOfSteps,
}

/// What is left of a budget of steps; several patterns may share one.
#[derive(Clone, Copy, Debug)]
pub struct Steps(u32);

impl Steps {
    /// A budget of `max` steps.
    pub fn new(max: u32) -> Self {
        Self(max)
    }

    /// Takes `n` steps; false when they are not there.
    fn take(&mut self, n: usize) -> bool {
        match u32::try_from(n).ok().and_then(|n| self.0.checked_sub(n)) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}
