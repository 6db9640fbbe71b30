//! What `status` lists: connections, tasks, handlers.

use crate::live::Live;
use bus::{Latency, LinkStats, PeerState, PeerStats};
use edge::{Line, Seen};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use wire::control::{Cell, Table};

/// A row for each connection, by id.
pub(super) fn net(seen: &[(Arc<Line>, Seen)]) -> Table {
    let headers =
        ["id", "fd", "type", "last_ping", "last_read", "last_write", "bytes_read", "bytes_written"];
    let mut seen: Vec<_> = seen.iter().collect();
    seen.sort_by_key(|(line, _)| line.conn());
    let row = |(line, seen): &(Arc<Line>, Seen)| {
        vec![
            count(line.conn().0),
            i64::from(line.fd()).into(),
            i64::from(line.speaks() as u8).into(),
            seconds(seen.since_ping),
            seconds(seen.since_read),
            seconds(seen.since_write),
            count(seen.read_bytes),
            count(seen.written_bytes),
        ]
    };
    table(&headers, seen.into_iter().map(row).collect())
}

/// A row for each part of the server that works on its own, under Mongrel2's names.
pub(super) fn tasks(live: &Live) -> Table {
    let mut tasks: Vec<(bool, &'static str, String, &'static str)> =
        vec![(false, "SERVER", "accept".to_owned(), "idle")];
    for handler in live.handlers() {
        let state = format!("row {}", handler.handler().id);
        let status = if handler.link().peers() == 0 { "no peer" } else { "idle" };
        tasks.push((false, "Handler_task", state, status));
    }
    tasks.push((false, "control", "answer".to_owned(), "running"));
    tasks.push((true, "ticker", String::new(), "idle"));
    let row = |(id, (system, name, state, status)): (i64, (bool, &'static str, String, _))| {
        vec![Cell::from(id), system.into(), name.into(), state.into(), Cell::from(status)]
    };
    let headers = ["id", "system", "name", "state", "status"];
    table(&headers, (1..).zip(tasks).map(row).collect())
}

/// For each handler row one row of its own, without a peer, and one for each peer. Times are in
/// seconds and, for answers, milliseconds.
pub(super) fn handlers(live: &Live) -> Table {
    let links = live.handlers().map(|link| {
        let row = link.handler();
        (row.id, row.send_spec.clone(), link.link().stats())
    });
    of_links(links)
}

fn of_links(links: impl Iterator<Item = (i64, String, LinkStats)>) -> Table {
    let headers = [
        "handler", "peer", "identity", "proved", "zmtp", "state", "since", "pending", "oldest",
        "queued", "sent", "answered", "retries", "refused", "timeouts", "lost", "mean_ms",
        "p50_ms", "p99_ms", "max_ms",
    ];
    let mut rows = Vec::new();
    for (id, send_spec, stats) in links {
        let mut row = row_of_link(id, &send_spec, &stats);
        row.extend(of_both_sockets(&stats));
        rows.push(row);
        rows.extend(stats.peers.into_iter().map(|peer| {
            let mut row = row_of_peer(id, peer);
            row.extend([NONE; OF_BOTH_SOCKETS.len()]);
            row
        }));
    }
    table(&[&headers[..], &OF_BOTH_SOCKETS].concat(), rows)
}

/// Columns that only the row of a link has: what no single PULL peer is answerable for.
const OF_BOTH_SOCKETS: [&str; 6] =
    ["publishers", "replies", "orphaned", "notices", "notices_lost", "peers_refused"];

fn of_both_sockets(stats: &LinkStats) -> [Cell; OF_BOTH_SOCKETS.len()] {
    [
        size(stats.publishers.len()),
        count(stats.received),
        size(stats.orphaned),
        size(stats.notices),
        count(stats.notices_dropped),
        count(stats.peers_refused),
    ]
}

fn row_of_link(id: i64, send_spec: &str, stats: &LinkStats) -> Vec<Cell> {
    let state = if stats.peers.is_empty() { "no_peer" } else { "bound" };
    let mut row =
        vec![id.into(), send_spec.to_owned().into(), NONE, NONE, NONE, state.into(), NONE];
    row.extend([size(stats.open), NONE, size(stats.queued), count(stats.sent)]);
    row.extend([count(stats.latency.count), count(stats.retries), count(stats.refused)]);
    row.extend([count(stats.timeouts), count(stats.lost)]);
    row.extend(times(&stats.latency));
    row
}

fn row_of_peer(id: i64, peer: PeerStats) -> Vec<Cell> {
    let (major, minor) = peer.name.version;
    let state = match peer.state {
        PeerState::New => "new",
        PeerState::Ready => "ready",
        PeerState::Full => "full",
        PeerState::Stalled => "stalled",
        PeerState::Late => "late",
        PeerState::Draining => "draining",
        PeerState::Drained => "drained",
    };
    let identity = peer.name.identity.escape_ascii().to_string();
    let identity = if identity.is_empty() { NONE } else { identity.into() };
    let mut row = vec![id.into(), peer.name.address.into(), identity, peer.name.proved.into()];
    row.extend([format!("{major}.{minor}").into(), state.into(), seconds(peer.since)]);
    row.extend([size(peer.pending), peer.oldest.map_or(NONE, seconds), size(peer.queued)]);
    row.extend([count(peer.sent), count(peer.latency.count), count(peer.retries)]);
    row.extend([NONE, NONE, count(peer.lost)]);
    row.extend(times(&peer.latency));
    row
}

fn times(latency: &Latency) -> [Cell; 4] {
    let Latency { count, mean, p50, p99, max } = *latency;
    [mean, p50, p99, max].map(|time| match count {
        0 => NONE,
        _ => format!("{:.3}", time.as_secs_f64() * 1000.0).into(),
    })
}

/// What a row does not have.
const NONE: Cell = Cell::Text(Cow::Borrowed(b"-"));

fn table(headers: &[&'static str], rows: Vec<Vec<Cell>>) -> Table {
    Table { headers: headers.iter().map(|&name| name.into()).collect(), rows }
}

fn seconds(time: Duration) -> Cell {
    count(time.as_secs())
}

fn size(number: usize) -> Cell {
    count(number as u64)
}

fn count(number: u64) -> Cell {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_of_a_link_has_its_column() {
        let stats = LinkStats {
            publishers: vec!["tcp://127.0.0.1:4".to_owned(); 3],
            queued: 4,
            notices: 5,
            open: 6,
            orphaned: 7,
            sent: 8,
            peers_refused: 9,
            received: 10,
            retries: 11,
            refused: 12,
            timeouts: 13,
            lost: 14,
            notices_dropped: 15,
            ..LinkStats::default()
        };
        let table = of_links([(1, "tcp://127.0.0.1:5".to_owned(), stats)].into_iter());
        let [row] = &table.rows[..] else { panic!("{table:?}") };
        assert_eq!(row.len(), table.headers.len());
        for (name, want) in [
            ("handler", 1),
            ("publishers", 3),
            ("queued", 4),
            ("notices", 5),
            ("pending", 6),
            ("orphaned", 7),
            ("sent", 8),
            ("peers_refused", 9),
            ("replies", 10),
            ("retries", 11),
            ("refused", 12),
            ("timeouts", 13),
            ("lost", 14),
            ("notices_lost", 15),
        ] {
            let at = table.headers.iter().position(|header| header.as_ref() == name).unwrap();
            assert_eq!(row[at], Cell::Integer(want), "{name}");
        }
    }

    #[test]
    fn each_figure_of_a_handler_has_its_column() {
        let peer = PeerStats {
            name: bus::PeerName {
                address: "tcp://10.0.0.1:7".to_owned(),
                identity: "me".into(),
                version: (3, 1),
                proved: "user alice".to_owned(),
            },
            since: Duration::from_secs(9),
            state: PeerState::Late,
            queued: 1,
            pending: 2,
            oldest: Some(Duration::from_secs(3)),
            sent: 4,
            retries: 5,
            lost: 6,
            latency: Latency { count: 7, ..Latency::default() },
        };
        let stats = LinkStats { peers: vec![peer], ..LinkStats::default() };
        let table = of_links([(1, "tcp://127.0.0.1:5".to_owned(), stats)].into_iter());
        let [_, row] = &table.rows[..] else { panic!("{table:?}") };
        assert_eq!(row.len(), table.headers.len());
        for (name, want) in [
            ("peer", "tcp://10.0.0.1:7".into()),
            ("identity", "me".into()),
            ("proved", "user alice".into()),
            ("zmtp", "3.1".into()),
            ("state", "late".into()),
            ("since", Cell::Integer(9)),
            ("pending", Cell::Integer(2)),
            ("oldest", Cell::Integer(3)),
            ("queued", Cell::Integer(1)),
            ("sent", Cell::Integer(4)),
            ("answered", Cell::Integer(7)),
            ("retries", Cell::Integer(5)),
            ("refused", NONE),
            ("lost", Cell::Integer(6)),
            ("max_ms", "0.000".into()),
            ("publishers", NONE),
        ] {
            let at = table.headers.iter().position(|header| header.as_ref() == name).unwrap();
            assert_eq!(row[at], want, "{name}");
        }
    }
}
