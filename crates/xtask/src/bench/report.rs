//! The table of the comparison with other servers.

use super::fleet::Server;
use super::options::Options;
use super::record;

/// One server in one case: the results of all rounds.
#[derive(Debug)]
pub(super) struct Row {
    case: &'static str,
    pub(super) server: Server,
    rates: Vec<f64>,
    cpus: Vec<f64>,
}

impl Row {
    pub(super) fn new(case: &'static str, server: Server) -> Self {
        Self { case, server, rates: Vec::new(), cpus: Vec::new() }
    }

    pub(super) fn add(&mut self, rate: f64, cpu: f64) {
        self.rates.push(rate);
        self.cpus.push(cpu);
    }
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) idle: Vec<Idle>,
}

/// What a connection takes that made one request and keeps quiet.
#[derive(Debug)]
pub(super) struct Idle {
    /// The case that the request was of.
    pub(super) after: &'static str,
    pub(super) server: Server,
    /// KiB.
    pub(super) each: f64,
}

impl Report {
    /// Markdown. A ratio is that server's figure divided by ours.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            text.push_str("| case | server | requests/s | to us | CPU us/request | to us |\n");
            text.push_str("| --- | --- | ---: | ---: | ---: | ---: |\n");
        }
        for row in &self.rows {
            let ours = self.rows.iter().find(|r| r.case == row.case && r.server == Server::Us);
            let (rate, cpu) = (median(&row.rates), median(&row.cpus));
            let rate_ratio = ratio(rate, ours.map(|r| median(&r.rates)));
            let cpu_ratio = ratio(cpu, ours.map(|r| median(&r.cpus)));
            let (case, server) = (row.case, row.server.name());
            line(
                &mut text,
                format_args!(
                    "| {case} | {server} | {rate:.0} | {rate_ratio} | {cpu:.1} | {cpu_ratio} |"
                ),
            );
        }
        if !self.idle.is_empty() {
            text.push_str("\n| idle connection after | server | KiB | to us |\n");
            text.push_str("| --- | --- | ---: | ---: |\n");
        }
        for Idle { after, server, each } in &self.idle {
            let ours = self.idle.iter().find(|i| i.after == *after && i.server == Server::Us);
            let ratio = ratio(*each, ours.map(|ours| ours.each));
            line(&mut text, format_args!("| {after} | {} | {each:.2} | {ratio} |", server.name()));
        }
        text
    }

    /// Keeps the run in `benches/runs`.
    pub(super) fn record(&self, name: &str, options: &Options) -> Result<(), String> {
        let versions = [
            ("mongrel2", record::package("mongrel2-core")),
            ("nginx", record::first_line("nginx", &["-v"])),
            ("haproxy", record::first_line("haproxy", &["-v"])),
        ];
        let how = format!(
            "- wrk: 1 thread, 32 connections, {} s a measurement, median of {} rounds, \
             interleaved, all on one machine over loopback\n\
             - every server writes an access log; nginx and HAProxy run one worker; the CPU \
             time is that of the server with its threads and workers, handlers and upstream \
             not counted",
            options.seconds, options.rounds
        );
        record::write(name, &versions, &how, &self.table())
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&format!("{arguments}\n"));
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

pub(super) fn ratio(value: f64, ours: Option<f64>) -> String {
    ours.map_or_else(|| "-".to_owned(), |ours| format!("{:.2}", value / ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(median(&[4.0, 1.0]).to_string(), "2.5");
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratios_are_to_us() {
        let mut report = Report::default();
        for (server, rate, cpu) in [(Server::Us, 100.0, 10.0), (Server::Nginx, 50.0, 15.0)] {
            let mut row = Row::new("proxy", server);
            row.add(rate, cpu);
            report.rows.push(row);
        }
        let table = report.table();
        assert!(table.contains("| proxy | us | 100 | 1.00 | 10.0 | 1.00 |"), "{table}");
        assert!(table.contains("| proxy | nginx | 50 | 0.50 | 15.0 | 1.50 |"), "{table}");
    }
}
