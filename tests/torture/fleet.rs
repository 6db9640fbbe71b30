//! Four handlers on one row, and what is done to them.

use crate::harness::{HandlerSpec, Program, Sockets, Speaks, token_handler};
use nix::sys::signal::Signal;
use std::fmt;

/// Handlers by what they speak: two of each.
const KINDS: [Speaks; 4] = [Speaks::Libzmq, Speaks::Sdk, Speaks::Libzmq, Speaks::Sdk];

#[derive(Debug)]
pub(super) struct Fleet {
    specs: [Sockets; 1],
    slots: [Slot; 4],
    deeds: Deeds,
}

#[derive(Debug)]
struct Slot {
    speaks: Speaks,
    state: State,
}

#[derive(Debug)]
enum State {
    Dead,
    Starting(Program),
    Well(Program),
    Stopped(Program),
}

/// How often each was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deeds {
    killed: u32,
    killed_while_stopped: u32,
    stopped: u32,
    went_on: u32,
    restarted: u32,
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, killed_while_stopped, stopped, went_on, restarted } = self;
        write!(f, "killed {killed} and {killed_while_stopped} while stopped, ")?;
        write!(f, "stopped {stopped}, went on {went_on}, restarted {restarted}")
    }
}

impl Fleet {
    pub(super) async fn start(spec: &HandlerSpec) -> Self {
        let specs = [Sockets {
            sender: "tortured".to_owned(),
            send_spec: spec.send_spec.clone(),
            recv_spec: spec.recv_spec.clone(),
        }];
        let slots = KINDS.map(|speaks| Slot { speaks, state: State::Dead });
        let mut fleet = Self { specs, slots, deeds: Deeds::default() };
        fleet.mend().await;
        fleet.deeds = Deeds::default();
        fleet
    }

    pub(super) fn deeds(&self) -> Deeds {
        self.deeds
    }

    /// Does something to one of them, or nothing. One is left well.
    pub(super) fn step(&mut self, dice: &mut Dice) {
        for slot in &mut self.slots {
            slot.notice();
        }
        let well = self.slots.iter().filter(|slot| matches!(slot.state, State::Well(_))).count();
        let slot = &mut self.slots[dice.below(4)];
        let deeds = &mut self.deeds;
        slot.state = match std::mem::replace(&mut slot.state, State::Dead) {
            State::Dead if dice.below(3) == 0 => {
                deeds.restarted += 1;
                State::Starting(token_handler(slot.speaks, &self.specs))
            }
            State::Well(program) if well > 1 => match dice.below(12) {
                0 => {
                    deeds.killed += 1;
                    drop(program);
                    State::Dead
                }
                1 => {
                    deeds.stopped += 1;
                    program.signal(Signal::SIGSTOP);
                    State::Stopped(program)
                }
                _ => State::Well(program),
            },
            // Some for less than the server's deadline, some for more.
            State::Stopped(program) => match dice.below(20) {
                0 => {
                    deeds.killed_while_stopped += 1;
                    drop(program);
                    State::Dead
                }
                1 => {
                    deeds.went_on += 1;
                    program.signal(Signal::SIGCONT);
                    State::Well(program)
                }
                _ => State::Stopped(program),
            },
            state => state,
        };
    }

    /// All are well again.
    pub(super) async fn mend(&mut self) {
        for slot in &mut self.slots {
            slot.state = match std::mem::replace(&mut slot.state, State::Dead) {
                State::Dead => {
                    self.deeds.restarted += 1;
                    State::Starting(token_handler(slot.speaks, &self.specs))
                }
                State::Stopped(program) => {
                    self.deeds.went_on += 1;
                    program.signal(Signal::SIGCONT);
                    State::Well(program)
                }
                state => state,
            };
        }
        for slot in &mut self.slots {
            slot.state = match std::mem::replace(&mut slot.state, State::Dead) {
                State::Starting(mut program) => {
                    program.says("ready").await;
                    State::Well(program)
                }
                state => state,
            };
        }
    }

    pub(super) fn kill_all(&mut self) {
        for slot in &mut self.slots {
            slot.state = State::Dead;
        }
    }
}

impl Slot {
    /// A handler that has said that it is ready is well.
    fn notice(&mut self) {
        if let State::Starting(program) = &mut self.state
            && program.has_said("ready")
            && let State::Starting(program) = std::mem::replace(&mut self.state, State::Dead)
        {
            self.state = State::Well(program);
        }
    }
}

/// Numbers that a seed determines (xorshift64*).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end) as usize
    }
}
