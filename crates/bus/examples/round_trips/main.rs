//! Measures round trips between a server's PUSH and SUB and handlers that echo:
//! `round_trips link|crate SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES HANDLERS`, over a `Link` or
//! over the sockets of the `zeromq` crate. `cargo xtask bench links` runs it beside libzmq's own.

mod link;
mod meter;
mod zeromq_crate;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;

use self::meter::Meter;

/// What is asked of either.
struct Plan {
    send_spec: String,
    recv_spec: String,
    in_flight: u64,
    handlers: usize,
}

/// As many threads as the server takes by default.
fn main() -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build();
    runtime.expect("a runtime").block_on(run())
}

async fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sockets, send_spec, recv_spec, numbers @ ..] = arguments.as_slice() else {
        return usage();
    };
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|number| number.parse()).collect();
    let Ok(&[in_flight, seconds, bytes, handlers]) = numbers.as_deref() else { return usage() };
    let plan = Plan {
        send_spec: send_spec.clone(),
        recv_spec: recv_spec.clone(),
        in_flight,
        handlers: handlers as usize,
    };
    let meter = Meter::new(bytes as usize);
    match sockets.as_str() {
        "link" => link::start(plan, &meter).await,
        "crate" => zeromq_crate::start(plan, &meter).await,
        _ => return usage(),
    }
    meter.measure(Duration::from_secs(seconds)).await;
    // The load goes on: nothing of it is worth an orderly end.
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    #[expect(clippy::print_stderr, reason = "a program's usage")]
    {
        eprintln!(
            "arguments: link|crate SEND_SPEC RECV_SPEC IN_FLIGHT SECONDS BYTES HANDLERS, \
             BYTES at least {}",
            meter::STAMP_BYTES
        );
    }
    ExitCode::from(64)
}

/// What a handler says when its subscription has arrived.
fn is_greeting(message: &Bytes) -> bool {
    message.as_ref() == b"ready"
}
