//! `cargo xtask <command>`: the chores and the rules of this repository, as a program.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks to a terminal"
)]

mod bench;
mod demo;
mod layers;
mod nightly;
mod process;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                  everything CI runs, in CI's order; stops at the first red
  nightly               what takes an hour: 10,000 simulations, ten minutes of fuzzing a target
  demo                  build the server and show all it does on one page
  tidy                  the rules of style that a program can check
  layers                the arrows between the crates
  bench peers           this server beside mongrel2, nginx and haproxy, under wrk
      --seconds N       length of one measurement (8)
      --rounds N        rounds, interleaved; the median counts (3)
      --only WORD       only the cases whose name contains WORD
      --servers A,B     of us, mongrel2, nginx, haproxy (all)
      --idle N          connections held open to weigh one (10000); 0: leave that out
      --record NAME     write benches/runs/<date>-NAME/summary.md
  bench links           a handler link beside libzmq and the zeromq crate, with echoing handlers
      --seconds N       length of one measurement (2)
      --rounds N        rounds, interleaved; the median counts (9)
      --handlers N,M    with so many handlers (1,4)
      --in-flight N     round trips under way at once (64)
      --bytes N         size of a message (256)
      --record NAME     write benches/runs/<date>-NAME/summary.md
  bench uploads         large bodies to files, beside nginx
      --gib N           size of one body (1)
      --rounds N        rounds, interleaved; the median counts (3)
  bench micro [WORD]    microbenchmarks of the pure crates
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run(),
        ["nightly"] => nightly::run(),
        ["tidy"] => tidy::run(),
        ["layers"] => layers::run(),
        ["demo"] => demo::run(),
        // Started by `demo`; not for people.
        ["demo-backend", port] => demo::backend::run(port),
        ["bench", "peers", options @ ..] => bench::peers::run(options),
        ["bench", "links", options @ ..] => bench::links::run(options),
        ["bench", "uploads", options @ ..] => bench::uploads::run(options),
        ["bench", "micro", rest @ ..] => bench::micro::run(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
