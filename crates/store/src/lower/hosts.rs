//! Rows of `host` and `route` into hosts with their routes.

use std::collections::{HashMap, HashSet};

use site::{Host, HostMatching, Hosts, Route, Routes};

use super::targets::Targets;
use crate::findings::{At, Findings, at};
use crate::rows::{Cell, HostRow, RouteRow, Rows, ServerRow};
use crate::setting::Settings;

pub(super) fn hosts(
    rows: &Rows,
    server: &ServerRow,
    settings: &Settings,
    (targets, findings): (&mut Targets<'_>, &mut Findings),
) -> Option<Hosts> {
    let ours: Vec<&HostRow> =
        rows.hosts.iter().filter(|row| row.server_id == Cell::Integer(server.id)).collect();
    let mut routes = routes_by_host(rows, findings);
    if ours.is_empty() {
        let what = format!("must have a host with server_id {}", server.id);
        findings.fault(at!(server, "server".uuid), what);
    }
    let steps_max = settings.limits.pattern_steps_max;
    let mut hosts = Vec::with_capacity(ours.len());
    let mut names = Vec::with_capacity(ours.len());
    let mut seen = HashMap::new();
    for row in ours {
        let bound = settings.bounds.host_name;
        let name =
            findings.short_text(at!(row, "host".name), bound, "limits.host_name").unwrap_or("");
        let matching = matching(row, bound, findings);
        warn_of_reach(row, matching.as_ref(), &mut seen, findings);
        let rows = routes.remove(&row.id).unwrap_or_default();
        if rows.is_empty() {
            findings.warn(at!(row, "host".name), "has no routes, everything is answered with 404");
        }
        let routes = Routes::new(lower_routes(&rows, targets, findings), steps_max);
        let matching = matching.unwrap_or(HostMatching::DefaultOnly);
        hosts.push(Host { name: name.into(), matching, routes });
        names.push(name);
    }
    let default = default_host(server, &names, findings)?;
    Hosts::new(hosts, default, steps_max)
}

/// Routes of every host there is; one of a host that is not there is ignored, as in Mongrel2.
fn routes_by_host<'r>(rows: &'r Rows, findings: &mut Findings) -> HashMap<i64, Vec<&'r RouteRow>> {
    let known: HashSet<i64> = rows.hosts.iter().map(|row| row.id).collect();
    let mut by_host: HashMap<i64, Vec<&RouteRow>> = HashMap::new();
    for row in &rows.routes {
        match row.host_id {
            Cell::Integer(id) if known.contains(&id) => by_host.entry(id).or_default().push(row),
            _ => findings.warn(at!(row, "route".host_id), "no such host, the route is ignored"),
        }
    }
    by_host
}

fn matching(row: &HostRow, bound: usize, findings: &mut Findings) -> Option<HostMatching> {
    let at = at!(row, "host".matching);
    let text = findings.short_text(at, bound, "limits.host_name")?;
    match HostMatching::compile(text) {
        Ok(matching) => Some(matching),
        Err(fault) => {
            findings.fault(at, format!("must be a name or a pattern, {fault}"));
            None
        }
    }
}

/// Says when no request can reach a host by its matching.
fn warn_of_reach(
    row: &HostRow,
    matching: Option<&HostMatching>,
    seen: &mut HashMap<String, i64>,
    findings: &mut Findings,
) {
    let at = at!(row, "host".matching);
    let key = match matching {
        None => return,
        Some(HostMatching::DefaultOnly) => {
            return findings.warn(at, "matches no Host, only the default host is reached without");
        }
        Some(HostMatching::Name { name, form }) => format!("{form:?} {name}"),
        Some(HostMatching::Pattern { .. }) => row.matching.to_string(),
    };
    if let Some(first) = seen.get(&key) {
        findings.warn(at, format!("never reached, row {first} matches the same and goes first"));
    }
    seen.entry(key).or_insert(row.id);
}

fn lower_routes(
    rows: &[&RouteRow],
    targets: &mut Targets<'_>,
    findings: &mut Findings,
) -> Vec<Route> {
    let mut seen: HashMap<&str, i64> = HashMap::new();
    let mut routes = Vec::with_capacity(rows.len());
    for &row in rows {
        let at = at!(row, "route".path);
        let path = findings.text(at);
        let target = targets.of(row, findings);
        let Some(path) = path else { continue };
        if let Some(first) = seen.get(path) {
            findings.warn(at, format!("never reached, row {first} has the same path"));
        }
        seen.entry(path).or_insert(row.id);
        check_prefix(at, path, findings);
        match target.map(|target| Route::new(path, target)) {
            Some(Ok(route)) => routes.push(route),
            Some(Err(fault)) => findings.fault(at, pattern_text(&fault)),
            // The target is at fault already; the pattern may be as well.
            None => {
                let start = path.find('(').unwrap_or(path.len());
                let pattern = path.get(start..).unwrap_or_default();
                if let Err(mut fault) = site::Pattern::compile(pattern) {
                    fault.offset += start;
                    findings.fault(at, pattern_text(&fault));
                }
            }
        }
    }
    routes
}

fn pattern_text(fault: &site::PatternFault) -> String {
    format!("must be a prefix or a prefix and a pattern, {fault}")
}

/// Says when a prefix can't begin any path a client sends.
fn check_prefix(at: At<'_>, path: &str, findings: &mut Findings) {
    let prefix = path.split('(').next().unwrap_or_default();
    if prefix.contains(['?', '#']) {
        findings.warn(at, "never reached, a path ends before ? or #");
    }
}

/// The last host of that name, as in Mongrel2.
fn default_host(server: &ServerRow, names: &[&str], findings: &mut Findings) -> Option<usize> {
    let at = at!(server, "server".default_host);
    let wanted = findings.text(at)?;
    let found = names.iter().rposition(|name| *name == wanted);
    if found.is_none() && !names.is_empty() {
        let accepted = format!("must be the name of a host of server row {}", server.id);
        findings.fault_among(at, accepted, names.iter().copied());
    }
    found
}
