//! Hosts: the exact name, else the longest suffix at a label boundary, else a pattern, else the
//! default host.

use std::sync::Arc;

use crate::lookup::routes::{Match, RouteSearch, Routes};
use crate::pattern::{Pattern, PatternFault, Steps, Verdict};
use crate::prefixes::Prefixes;

/// Names of up to this many bytes are folded and reversed without an allocation.
const INLINE_NAME_BYTES: usize = 256;

/// One row of the `host` table.
#[derive(Clone, Debug)]
pub struct Host {
    /// What `server.default_host` refers to.
    pub name: Arc<str>,
    pub matching: HostMatching,
    pub routes: Routes,
}

/// Which `Host` fields a host answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatching {
    /// Empty in the database: reached only as the default host.
    DefaultOnly,
    /// This name and every name below it. In lower case, without port and final dot.
    Name { name: String, form: NameForm },
    /// What stands before `suffix` matches `pattern` as a whole.
    Pattern { pattern: Pattern, suffix: String },
}

/// How a name was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `example.com`: for the name itself it goes before a host written with a dot.
    Plain,
    /// `.example.com`: for names below it goes before a host written without.
    LeadingDot,
}

/// The hosts of a server.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// In row order.
    hosts: Vec<Host>,
    default: usize,
    /// The names of hosts, reversed.
    names: Prefixes,
    /// For each name: who takes it.
    by_name: Vec<Named>,
    /// The suffixes of hosts with a pattern, reversed.
    suffixes: Prefixes,
    /// For each suffix: positions in `hosts`, in row order.
    by_suffix: Vec<Vec<u32>>,
    steps_max: u32,
}

/// Positions of the hosts that take a name and the names below it.
#[derive(Clone, Copy, Debug)]
struct Named {
    itself: Position,
    below: Position,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    host: u32,
    form: NameForm,
}

/// Everything a search for a host found out.
#[derive(Clone, Copy, Debug)]
pub struct HostSearch<'a> {
    pub host: &'a Host,
    /// The host whose pattern ran out of steps; the default host is found then.
    pub out_of_steps: Option<&'a Host>,
}

impl Host {
    /// The route that serves `path`.
    pub fn route<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        self.routes.search(path).found
    }

    /// As `route`, and whether a pattern ran out of steps.
    pub fn search<'a>(&'a self, path: &'a str) -> RouteSearch<'a> {
        self.routes.search(path)
    }
}

impl HostMatching {
    /// Reads the `matching` column.
    ///
    /// # Errors
    /// The pattern is malformed.
    pub fn compile(text: &str) -> Result<Self, PatternFault> {
        if text.contains('(') {
            let cut = text.rfind(')').map_or(text.len(), |at| at + 1);
            let (pattern, suffix) = text.split_at_checked(cut).unwrap_or((text, ""));
            let pattern = Pattern::compile(&format!("{pattern}$"))?.fold_case();
            let suffix = suffix.strip_suffix('.').unwrap_or(suffix).to_ascii_lowercase();
            return Ok(Self::Pattern { pattern, suffix });
        }
        let name = name_of(text);
        let (name, form) = match name.strip_prefix('.') {
            Some(name) => (name, NameForm::LeadingDot),
            None => (name, NameForm::Plain),
        };
        if name.is_empty() {
            return Ok(Self::DefaultOnly);
        }
        Ok(Self::Name { name: name.to_ascii_lowercase(), form })
    }
}

impl Hosts {
    /// Takes the hosts in row order; none when `default` is not the position of one.
    /// `steps_max` is `Limits::pattern_steps_max`.
    pub fn new(hosts: Vec<Host>, default: usize, steps_max: u32) -> Option<Self> {
        hosts.get(default)?;
        let (mut named, mut names) = (Vec::new(), Vec::new());
        let (mut patterned, mut suffixes) = (Vec::new(), Vec::new());
        for (host, at) in hosts.iter().zip(0..) {
            match &host.matching {
                HostMatching::DefaultOnly => {}
                HostMatching::Name { name, form } => {
                    named.push(Position { host: at, form: *form });
                    names.push(reversed(name));
                }
                HostMatching::Pattern { suffix, .. } => {
                    patterned.push(at);
                    suffixes.push(reversed(suffix));
                }
            }
        }
        let (names, numbers) = prefixes(&names);
        let mut by_name: Vec<Option<Named>> = vec![None; names.len()];
        for (position, number) in named.into_iter().zip(numbers) {
            if let Some(slot) = by_name.get_mut(number) {
                *slot = Some(slot.map_or_else(|| Named::new(position), |named| named.or(position)));
            }
        }
        let (suffixes, numbers) = prefixes(&suffixes);
        let mut by_suffix = vec![Vec::new(); suffixes.len()];
        for (at, number) in patterned.into_iter().zip(numbers) {
            if let Some(group) = by_suffix.get_mut(number) {
                group.push(at);
            }
        }
        let by_name = by_name.into_iter().flatten().collect();
        Some(Self { hosts, default, names, by_name, suffixes, by_suffix, steps_max })
    }

    /// In row order.
    pub fn iter(&self) -> std::slice::Iter<'_, Host> {
        self.hosts.iter()
    }

    /// The host of `server.default_host`.
    pub fn default_host(&self) -> &Host {
        self.hosts.get(self.default).expect("`new` checked that the default host is there")
    }

    /// The host that answers for a `Host` field.
    pub fn host(&self, authority: Option<&str>) -> &Host {
        self.search(authority).host
    }

    /// As `host`, and whether a pattern ran out of steps.
    pub fn search(&self, authority: Option<&str>) -> HostSearch<'_> {
        let name = authority.map_or("", name_of).as_bytes();
        let mut inline = [0; INLINE_NAME_BYTES];
        let mut heap = Vec::new();
        let reversed = match inline.get_mut(..name.len()) {
            Some(inline) => inline,
            None => {
                heap.resize(name.len(), 0);
                heap.as_mut_slice()
            }
        };
        for (to, from) in reversed.iter_mut().zip(name.iter().rev()) {
            *to = from.to_ascii_lowercase();
        }
        let default = HostSearch { host: self.default_host(), out_of_steps: None };
        match self.by_name(reversed) {
            Some(host) => HostSearch { host, out_of_steps: None },
            None if self.by_suffix.is_empty() || name.is_empty() => default,
            None => self.by_pattern(reversed).unwrap_or(default),
        }
    }

    /// The host of the name or of the longest name it lies below.
    fn by_name(&self, reversed: &[u8]) -> Option<&Host> {
        self.names.of(reversed).find_map(|(number, len)| {
            let named = self.by_name.get(number)?;
            let position = match reversed.get(len) {
                None => named.itself,
                Some(b'.') => named.below,
                Some(_) => return None,
            };
            self.hosts.get(position.host as usize)
        })
    }

    /// The host of the longest suffix whose pattern matches what stands before it. Turns `reversed`
    /// round.
    fn by_pattern(&self, reversed: &mut [u8]) -> Option<HostSearch<'_>> {
        let suffixes = self.suffixes.of(reversed);
        reversed.reverse();
        let name = reversed;
        let mut steps = Steps::new(self.steps_max);
        for (number, len) in suffixes {
            let start = name.get(..name.len().saturating_sub(len)).unwrap_or_default();
            for &at in self.by_suffix.get(number).into_iter().flatten() {
                let Some(host) = self.hosts.get(at as usize) else { continue };
                let HostMatching::Pattern { pattern, .. } = &host.matching else { continue };
                match pattern.compare(start, &mut steps) {
                    Verdict::Differs => {}
                    Verdict::Matches => return Some(HostSearch { host, out_of_steps: None }),
                    Verdict::OutOfSteps => {
                        let out_of_steps = Some(host);
                        return Some(HostSearch { host: self.default_host(), out_of_steps });
                    }
                }
            }
        }
        None
    }
}

impl<'a> IntoIterator for &'a Hosts {
    type Item = &'a Host;
    type IntoIter = std::slice::Iter<'a, Host>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Named {
    fn new(position: Position) -> Self {
        Self { itself: position, below: position }
    }

    /// The first row of a name takes it, except that the form that says so goes first.
    fn or(mut self, later: Position) -> Self {
        if later.form == NameForm::Plain && self.itself.form == NameForm::LeadingDot {
            self.itself = later;
        }
        if later.form == NameForm::LeadingDot && self.below.form == NameForm::Plain {
            self.below = later;
        }
        self
    }
}

fn reversed(text: &str) -> Vec<u8> {
    text.bytes().rev().collect()
}

fn prefixes(strings: &[Vec<u8>]) -> (Prefixes, Vec<usize>) {
    let strings: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
    Prefixes::new(&strings)
}

/// An authority without port and final dot.
fn name_of(authority: &str) -> &str {
    let authority = authority.trim_ascii();
    if authority.starts_with('[') {
        let end = authority.find(']').map_or(authority.len(), |at| at + 1);
        return authority.get(..end).unwrap_or(authority);
    }
    let end = memchr::memchr(b':', authority.as_bytes()).unwrap_or(authority.len());
    let name = authority.get(..end).unwrap_or(authority);
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(matching: &[&str], default: usize, steps_max: u32) -> Hosts {
        let hosts = matching
            .iter()
            .map(|text| Host {
                name: (*text).into(),
                matching: HostMatching::compile(text).unwrap(),
                routes: Routes::default(),
            })
            .collect();
        Hosts::new(hosts, default, steps_max).unwrap()
    }

    #[test]
    fn hosts_are_found_by_name_then_suffix_then_pattern() {
        let hosts = hosts(
            &[
                "default",
                "example.com",
                "WWW.Example.com.",
                ".example.com",
                ".only-below.org",
                "[::1]",
                "localhost:6767",
                "([0-9]+).Num.org",
                "(x.*)num.org",
                "(\\u+).case.org",
                "",
                "example.com",
            ],
            0,
            1000,
        );
        let check = |asked: &str, expected: &str| {
            assert_eq!(&*hosts.host(Some(asked)).name, expected, "{asked}");
        };
        check("example.com", "example.com");
        check("Example.COM.:8080", "example.com");
        check("www.example.com", "WWW.Example.com.");
        check("a.www.example.com", "WWW.Example.com.");
        check("api.example.com", ".example.com");
        check("evilexample.com", "default");
        check("com", "default");
        check("only-below.org", ".only-below.org");
        check("x.only-below.org", ".only-below.org");
        check("[::1]:80", "[::1]");
        check("[::1]", "[::1]");
        check("[::2]", "default");
        check("[::1", "default");
        check("::1", "default");
        check(" localhost:1 ", "localhost:6767");
        check("12.num.org", "([0-9]+).Num.org");
        check("x12.NUM.org", "(x.*)num.org");
        check("12x.num.org", "default");
        check("AB.case.org", "(\\u+).case.org");
        check(".", "default");
        check("..", "default");
        check("..example.com", ".example.com");
        check("", "default");
        check(&"é".repeat(400), "default");
        check(&format!("{}.EXAMPLE.com", "A".repeat(400)), ".example.com");
        check(&format!("x{}num.org", "A".repeat(400)), "(x.*)num.org");
        assert_eq!(&*hosts.host(None).name, "default");
    }

    #[test]
    fn a_pattern_out_of_steps_leads_to_the_default_host() {
        let hosts = hosts(&["default", "(.*.*.*x)"], 0, 50);
        let asked = "a".repeat(200);
        let search = hosts.search(Some(&asked));
        assert_eq!(&*search.host.name, "default");
        assert_eq!(&*search.out_of_steps.unwrap().name, "(.*.*.*x)");
        assert!(hosts.search(Some("ax")).out_of_steps.is_none());
        assert_eq!(&*hosts.host(Some("ax")).name, "(.*.*.*x)");
    }

    #[test]
    fn the_default_host_must_be_there() {
        assert!(Hosts::new(Vec::new(), 0, 1).is_none());
    }
}
