//! Cuts a head into lines and refuses, at the byte where it stands, what no line may hold.

use crate::grammar::next_control;
use crate::refusal::Refusal;

/// Where the present line begins and how far it has been looked at. Each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    start: usize,
    looked: usize,
    complete: usize,
}

impl Lines {
    /// The next line without its CRLF; `None` while it is incomplete.
    pub(super) fn next<'a>(&mut self, window: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
        if matches!(window.get(self.start), Some(b' ' | b'\t')) {
            let first_field = 1;
            return Err(if self.complete > first_field {
                Refusal::ObsFold
            } else {
                Refusal::LeadingWhitespace
            });
        }
        let unseen = window.get(self.looked..).unwrap_or_default();
        let Some(at) = next_control(unseen) else {
            self.looked = window.len();
            return Ok(None);
        };
        self.looked += at;
        match (unseen.get(at), unseen.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                let line = window.get(self.start..self.looked);
                self.looked += 2;
                self.start = self.looked;
                self.complete += 1;
                Ok(line)
            }
            (Some(b'\r'), None) => Ok(None),
            (Some(b'\r'), Some(_)) => Err(Refusal::BareCr),
            (Some(b'\n'), _) => Err(Refusal::BareLf),
            (Some(0), _) => Err(Refusal::Nul),
            _ => Err(Refusal::ControlByte),
        }
    }

    /// Whether no byte has been looked at.
    pub(super) fn untouched(&self) -> bool {
        self.looked == 0
    }

    /// Where the present line begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// How far the bytes are known to hold no control byte but the line ends.
    pub(super) fn looked(&self) -> usize {
        self.looked
    }
}
