//! What operators order of the process, until it is carried out.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// What an operator wants of the process, as by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As SIGHUP.
    Reload,
    /// As SIGINT.
    Stop,
    /// As SIGTERM.
    Terminate,
}

/// The orders of operators: what ends the server comes first, reloads that wait are one.
#[derive(Debug)]
pub struct Orders {
    reloads: mpsc::Receiver<()>,
    ends: mpsc::Receiver<Order>,
}

/// Where orders are given.
#[derive(Debug)]
pub(super) struct Giver {
    reloads: mpsc::Sender<()>,
    ends: mpsc::Sender<Order>,
}

/// Nobody carries out orders any more.
#[derive(Debug, thiserror::Error)]
#[error("the server takes no more orders")]
pub(super) struct NotTaken;

/// The first drains, the second cuts that short; a third changes nothing.
const ENDS_MAX: usize = 2;

pub(super) fn orders() -> (Giver, Orders) {
    let (giver_of_reloads, reloads) = mpsc::channel(1);
    let (giver_of_ends, ends) = mpsc::channel(ENDS_MAX);
    (Giver { reloads: giver_of_reloads, ends: giver_of_ends }, Orders { reloads, ends })
}

impl Giver {
    /// Never blocks.
    pub(super) fn give(&self, order: Order) -> Result<(), NotTaken> {
        let is_closed = match order {
            // One that waits will see what this one would.
            Order::Reload => matches!(self.reloads.try_send(()), Err(TrySendError::Closed(()))),
            Order::Stop | Order::Terminate => {
                matches!(self.ends.try_send(order), Err(TrySendError::Closed(_)))
            }
        };
        if is_closed { Err(NotTaken) } else { Ok(()) }
    }
}

impl Orders {
    /// The next one; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Order> {
        tokio::select! {
            biased;
            Some(order) = self.ends.recv() => Some(order),
            Some(()) = self.reloads.recv() => Some(Order::Reload),
            else => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_ends_the_server_is_not_kept_out_by_reloads() {
        let (giver, mut orders) = orders();
        for _ in 0..100 {
            giver.give(Order::Reload).unwrap();
        }
        for order in [Order::Terminate, Order::Stop, Order::Stop] {
            giver.give(order).unwrap();
        }
        giver.give(Order::Reload).unwrap();
        drop(giver);
        for want in [Some(Order::Terminate), Some(Order::Stop), Some(Order::Reload), None] {
            assert_eq!(orders.next().await, want);
        }
        let (giver, _) = super::orders();
        assert!(giver.give(Order::Reload).is_err() && giver.give(Order::Stop).is_err());
    }
}
