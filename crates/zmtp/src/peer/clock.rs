//! Signs of life of one peer: when it is sent a PING, and when its silence means that it is gone.
//! Pure, time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::options::Heartbeat;

/// What a peer has been heard to say, and when.
#[derive(Debug)]
pub(super) struct Clock {
    accepted: Instant,
    heard: Instant,
    ping: Ping,
    /// It has answered a PING. Before that its silence means nothing: it may not know what one is.
    answers: bool,
    /// When it was last found to have an excuse for not answering.
    excused: Instant,
    /// What the peer asked for in its own PING.
    ttl: Option<Duration>,
}

/// Where our last PING is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// There was none yet.
    Never,
    Answered,
    /// On its way to the system, which last took something of what goes before it at this time.
    Unsent(Instant),
    /// The system has it since then.
    Sent(Instant),
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// The peer is gone.
    End,
}

impl Clock {
    pub(super) fn start(now: Instant) -> Self {
        Self {
            accepted: now,
            heard: now,
            ping: Ping::Never,
            answers: false,
            excused: now,
            ttl: None,
        }
    }

    pub(super) fn heard(&mut self, at: Instant) {
        self.heard = self.heard.max(at);
    }

    pub(super) fn answered(&mut self) {
        self.answers = true;
        self.ping = Ping::Answered;
    }

    /// The peer asks to be taken for lost when it is silent for so long.
    pub(super) fn live_for(&mut self, ttl: Option<Duration>) {
        self.ttl = ttl;
    }

    /// The system has taken some bytes; `all`, whether that was the last of the outgoing ones.
    pub(super) fn wrote(&mut self, all: bool, now: Instant) {
        if let Ping::Unsent(_) = self.ping {
            self.ping = if all { Ping::Sent(now) } else { Ping::Unsent(now) };
        }
    }

    /// Whether a PING is among what is to be written.
    pub(super) fn has_unsent_ping(&self) -> bool {
        matches!(self.ping, Ping::Unsent(_))
    }

    /// After the handshake. A peer that may be `excused` is not asked: whether it answers would mean
    /// nothing. `Due::Ping` is said once for each.
    pub(super) fn due(
        &mut self,
        heartbeat: Option<Heartbeat>,
        excused: impl FnOnce() -> bool,
        now: Instant,
    ) -> Due {
        if self.ttl.is_some_and(|ttl| self.heard + ttl <= now) {
            return Due::End;
        }
        let Some(heartbeat) = heartbeat else { return Due::Nothing };
        if self.end(heartbeat).is_some_and(|end| end <= now) {
            return Due::End;
        }
        if self.next_ping(heartbeat).is_none_or(|next| next > now) {
            return Due::Nothing;
        }
        if excused() {
            self.excused = now;
            return Due::Nothing;
        }
        self.ping = Ping::Unsent(now);
        Due::Ping
    }

    /// When `due` has something to say.
    pub(super) fn next(&self, heartbeat: Option<Heartbeat>) -> Option<Instant> {
        let ttl = self.ttl.map(|ttl| self.heard + ttl);
        let beat = heartbeat.and_then(|beat| self.next_ping(beat).or_else(|| self.end(beat)));
        ttl.into_iter().chain(beat).min()
    }

    /// Until when the handshake must be over.
    pub(super) fn handshake_end(&self, timeout: Duration) -> Instant {
        self.accepted + timeout
    }

    /// The first one goes out at once, to find out whether the peer answers.
    fn next_ping(&self, heartbeat: Heartbeat) -> Option<Instant> {
        match self.ping {
            Ping::Never => Some(self.accepted),
            Ping::Answered => Some(self.heard.max(self.excused) + heartbeat.interval),
            Ping::Unsent(_) | Ping::Sent(_) => None,
        }
    }

    fn end(&self, heartbeat: Heartbeat) -> Option<Instant> {
        let (Ping::Unsent(asked) | Ping::Sent(asked)) = self.ping else { return None };
        self.answers.then(|| asked.max(self.heard) + heartbeat.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Heartbeat =
        Heartbeat { interval: Duration::from_secs(10), timeout: Duration::from_secs(20) };

    /// What happens at a second of a peer's life.
    enum Act {
        Heard,
        Pong,
        Wrote(bool),
        Ttl(u64),
        Due(Due),
        Excused,
        Next(Option<u64>),
    }

    fn check(case: &str, acts: &[(u64, Act)]) {
        let start = Instant::now();
        let mut clock = Clock::start(start);
        for (second, act) in acts {
            let now = start + Duration::from_secs(*second);
            let case = format!("{case}, {second} s");
            match act {
                Act::Heard => clock.heard(now),
                Act::Pong => {
                    clock.heard(now);
                    clock.answered();
                }
                Act::Wrote(all) => clock.wrote(*all, now),
                Act::Ttl(seconds) => clock.live_for(Some(Duration::from_secs(*seconds))),
                Act::Due(want) => {
                    assert_eq!(clock.due(Some(HEARTBEAT), || false, now), *want, "{case}")
                }
                Act::Excused => {
                    assert_eq!(clock.due(Some(HEARTBEAT), || true, now), Due::Nothing, "{case}");
                }
                Act::Next(want) => {
                    let want = want.map(|second| start + Duration::from_secs(second));
                    assert_eq!(clock.next(Some(HEARTBEAT)), want, "{case}");
                }
            }
        }
    }

    #[test]
    fn silence_means_something_of_those_who_answer() {
        use Act::{Due as D, Excused, Heard, Next, Pong, Ttl, Wrote};
        use Due::{End, Nothing, Ping};
        check(
            "who never answers",
            &[(0, D(Ping)), (0, Wrote(true)), (0, Next(None)), (99, D(Nothing))],
        );
        check(
            "who stops to answer",
            &[
                (0, D(Ping)),
                (0, Wrote(true)),
                (1, Pong),
                (1, Next(Some(11))),
                (10, D(Nothing)),
                (11, D(Ping)),
                (11, Wrote(true)),
                (11, Next(Some(31))),
                (30, D(Nothing)),
                (31, D(End)),
            ],
        );
        check(
            "who says other things",
            &[
                (0, D(Ping)),
                (1, Pong),
                (9, Heard),
                (11, D(Nothing)),
                (19, D(Ping)),
                (19, Wrote(true)),
                (30, Heard),
                (39, D(Nothing)),
                (50, D(End)),
            ],
        );
        check(
            "who takes long to read what goes before the PING",
            &[
                (0, D(Ping)),
                (0, Wrote(true)),
                (1, Pong),
                (11, D(Ping)),
                (25, Wrote(false)),
                (44, Wrote(false)),
                (44, Next(Some(64))),
                (60, Wrote(true)),
                (70, Wrote(true)),
                (79, D(Nothing)),
                (80, D(End)),
            ],
        );
        check(
            "who has an excuse",
            &[
                (0, D(Ping)),
                (1, Pong),
                (11, Excused),
                (11, Next(Some(21))),
                (90, Excused),
                (99, D(Nothing)),
                (100, D(Ping)),
                (101, Excused),
                (120, D(End)),
            ],
        );
        check("who set a time itself", &[(0, Ttl(5)), (0, Heard), (4, D(Ping)), (5, D(End))]);
    }
}
