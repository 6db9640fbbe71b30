//! wrk: one measurement, and what it printed.

use std::net::SocketAddr;
use std::process::Command;

use crate::process;

/// What one run of wrk counted.
#[derive(Debug, PartialEq)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) requests_per_second: f64,
}

/// One thread, 32 connections: the client must not be what is measured.
pub(super) fn run(address: SocketAddr, path: &str, seconds: u32) -> Result<Load, String> {
    let (duration, url) = (format!("-d{seconds}s"), format!("http://{address}{path}"));
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c32", "--timeout", "10s", &duration, &url]);
    parse(&process::capture(&mut wrk)?).map_err(|reason| format!("wrk {url}: {reason}"))
}

/// Any answer that is not a success, and any lost connection, spoils the measurement.
fn parse(text: &str) -> Result<Load, String> {
    let lines = || text.lines().map(str::trim);
    if let Some(bad) = lines().find(|l| l.starts_with("Non-2xx") || l.starts_with("Socket errors"))
    {
        return Err(bad.to_owned());
    }
    let number = |word: &str| word.parse::<f64>().ok();
    let requests = lines().find_map(|line| number(line.split_once(" requests in ")?.0));
    let rate = lines().find_map(|line| number(line.strip_prefix("Requests/sec:")?.trim()));
    match (requests, rate) {
        (Some(requests), Some(requests_per_second)) if requests > 0.0 => {
            Ok(Load { requests, requests_per_second })
        }
        _ => Err(format!("no count in what it printed:\n{text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let text = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  \
                    Thread Stats   Avg      Stdev     Max   +/- Stdev\n  \
                    84211 requests in 2.00s, 98.1MB read\nRequests/sec:  42074.50\n";
        let load = Load { requests: 84211.0, requests_per_second: 42074.5 };
        assert_eq!(parse(text).unwrap(), load);
        let bad = format!("{text}  Non-2xx or 3xx responses: 3\n");
        assert_eq!(parse(&bad).unwrap_err(), "Non-2xx or 3xx responses: 3");
        let lost = format!("  Socket errors: connect 0, read 3, write 0, timeout 0\n{text}");
        assert!(parse(&lost).is_err());
        assert!(parse("  0 requests in 2.00s, 0B read\nRequests/sec: 0.00\n").is_err());
    }
}
