//! The options of `bench peers`.

use super::fleet::Server;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Length of one measurement.
    pub(super) seconds: u32,
    pub(super) rounds: u32,
    /// Only the cases whose name contains this.
    pub(super) only: String,
    pub(super) servers: Vec<Server>,
    /// Connections held open to measure what an idle one costs; 0 leaves the case out.
    pub(super) idle: usize,
    /// The name under which the run is kept in `benches/runs`.
    pub(super) record: Option<String>,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            seconds: 8,
            rounds: 3,
            only: String::new(),
            servers: Server::ALL.to_vec(),
            idle: 10_000,
            record: None,
        };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} takes a value"))?;
            match *option {
                "--seconds" => options.seconds = positive(option, value)?,
                "--rounds" => options.rounds = positive(option, value)?,
                "--idle" => {
                    let wrong = |_| format!("--idle {value}: not a number");
                    options.idle = value.parse().map_err(wrong)?;
                }
                "--only" => options.only = (*value).to_owned(),
                "--record" => options.record = Some((*value).to_owned()),
                "--servers" => {
                    let names = value.split(',').map(|name| {
                        let known = Server::ALL.into_iter().find(|server| server.name() == name);
                        known.ok_or_else(|| format!("--servers {name}: no such server"))
                    });
                    options.servers = names.collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("bench peers knows no {option}")),
            }
        }
        Ok(options)
    }
}

pub(super) fn positive(option: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{option} {value}: not a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parsed = Options::parse(&["--seconds", "2", "--servers", "us,nginx"]).unwrap();
        assert_eq!((parsed.seconds, parsed.rounds), (2, 3));
        assert_eq!(parsed.servers, [Server::Us, Server::Nginx]);
        for (words, error) in [
            (&["--seconds", "0"][..], "--seconds 0: not a number above 0"),
            (&["--record"], "--record takes a value"),
            (&["--servers", "apache"], "--servers apache: no such server"),
            (&["--fast", "1"], "bench peers knows no --fast"),
        ] {
            assert_eq!(Options::parse(words).unwrap_err(), error);
        }
    }
}
