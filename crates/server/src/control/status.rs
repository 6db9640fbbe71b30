//! What `status` lists: connections, tasks, handlers.

use crate::live::Live;
use edge::{Line, Seen};
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

/// For each handler row one row of its own, without a peer, and one for each peer.
pub(super) fn handlers(live: &Live) -> Table {
    let headers = ["handler", "peer", "pending", "queued", "sent", "retries", "refused", "lost"];
    let mut rows = Vec::new();
    for handler in live.handlers() {
        let id = handler.handler().id;
        let stats = handler.link().stats();
        rows.push(vec![
            id.into(),
            Cell::Null,
            size(stats.open),
            size(stats.queued),
            count(stats.sent),
            count(stats.retries),
            count(stats.refused),
            count(stats.lost),
        ]);
        for peer in stats.peers {
            let mut row = vec![id.into(), peer.name.into(), size(peer.pending), size(peer.queued)];
            row.push(count(peer.sent));
            row.extend([Cell::Null, Cell::Null, Cell::Null]);
            rows.push(row);
        }
    }
    table(&headers, rows)
}

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
