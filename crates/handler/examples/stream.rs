//! Counts, and pushes the count to every open page: `stream SEND_SPEC RECV_SPEC`.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use handler::{Event, Handler, HandlerOptions};
use tokio::time::{MissedTickBehavior, interval};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(send_spec), Some(recv_spec)) = (args.next(), args.next()) else {
        return Err("usage: stream SEND_SPEC RECV_SPEC".into());
    };
    let mut handler = Handler::connect(HandlerOptions::new(send_spec, recv_spec)).await?;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut pages = BTreeSet::new();
    let mut restarts = 0;
    for count in 0_u64.. {
        // The ids of a server that has restarted mean nothing to the new one.
        if handler.restarts() != restarts {
            restarts = handler.restarts();
            pages.clear();
        }
        let conns: Vec<u64> = pages.iter().copied().collect();
        handler.send_event(&conns, &Event::new(format!("{count} {}", conns.len()))).await?;
        loop {
            tokio::select! {
                _ = ticks.tick() => break,
                request = handler.next() => {
                    let request = request?;
                    if request.is_disconnect() {
                        pages.remove(&request.conn());
                    } else if !request.is_notice() && handler.start_events(&request).await? {
                        pages.insert(request.conn());
                    }
                }
            }
        }
    }
    Ok(())
}
