//! The settings of `handler.security` and whether they go together.

use site::HandlerSecurity;

use crate::findings::{Findings, at};
use crate::rows::{Cell, SettingRow};

const KEY: &str = "handler.security";
const USERS: &str = "handler.plain_users";
const SECRET_KEY: &str = "handler.curve_secret_key";
const CLIENTS: &str = "handler.curve_clients";

/// `handler.security`, by its name in ZMTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mechanism {
    #[default]
    Null,
    Plain,
    Curve,
}

impl Mechanism {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "null" => Ok(Self::Null),
            "plain" => Ok(Self::Plain),
            "curve" => Ok(Self::Curve),
            _ => Err("must be null, plain or curve".to_owned()),
        }
    }
}

/// As written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecuritySettings {
    pub(crate) mechanism: Mechanism,
    pub(crate) plain_users: Option<String>,
    pub(crate) curve_secret_key: Option<String>,
    pub(crate) curve_clients: Option<String>,
}

impl SecuritySettings {
    /// A mechanism without its file is a fault, a file without its mechanism a warning.
    pub(crate) fn lower(&self, rows: &[SettingRow], findings: &mut Findings) -> HandlerSecurity {
        let (needed, others): (_, &[&str]) = match self.mechanism {
            Mechanism::Null => (None, &[USERS, SECRET_KEY, CLIENTS]),
            Mechanism::Plain => (Some((USERS, &self.plain_users)), &[SECRET_KEY, CLIENTS]),
            Mechanism::Curve => (Some((SECRET_KEY, &self.curve_secret_key)), &[USERS]),
        };
        for row in rows {
            let value = at!(row, "setting".value);
            if let Some((path, None)) = needed
                && is(row, KEY)
            {
                findings.fault(value, format!("needs the setting {path}, the path of a file"));
            }
            if others.iter().any(|other| is(row, other)) {
                findings.warn(at!(row, "setting".key), format!("has no effect with this {KEY}"));
            }
        }
        let path = |path: &Option<String>| path.clone().unwrap_or_default();
        match self.mechanism {
            Mechanism::Null => HandlerSecurity::Null,
            Mechanism::Plain => HandlerSecurity::Plain { users: path(&self.plain_users) },
            Mechanism::Curve => HandlerSecurity::Curve {
                secret_key: path(&self.curve_secret_key),
                clients: self.curve_clients.clone(),
            },
        }
    }
}

fn is(row: &SettingRow, key: &str) -> bool {
    matches!(&row.key, Cell::Text(text) if text == key)
}

#[cfg(test)]
mod tests {
    use super::super::settings;
    use super::*;

    #[test]
    fn mechanisms_and_their_files_go_together() {
        let secret_key = || "k".to_owned();
        let curve = |clients| HandlerSecurity::Curve { secret_key: secret_key(), clients };
        let users = || HandlerSecurity::Plain { users: "u".to_owned() };
        let unused = "has no effect with this handler.security";
        for (written, expected) in [
            (&[][..], Ok((HandlerSecurity::Null, ""))),
            (&[(KEY, "null")], Ok((HandlerSecurity::Null, ""))),
            (&[(KEY, "curve"), (SECRET_KEY, "k")], Ok((curve(None), ""))),
            (
                &[(CLIENTS, "c"), (SECRET_KEY, "k"), (KEY, "curve")],
                Ok((curve(Some("c".to_owned())), "")),
            ),
            (&[(KEY, "plain"), (USERS, "u")], Ok((users(), ""))),
            (&[(KEY, "plain"), (USERS, "u"), (CLIENTS, "c")], Ok((users(), unused))),
            (&[(USERS, "u")], Ok((HandlerSecurity::Null, unused))),
            (&[(KEY, "curve"), (CLIENTS, "c")], Err("needs the setting handler.curve_secret_key")),
            (&[(KEY, "plain")], Err("needs the setting handler.plain_users")),
            (&[(KEY, "CURVE")], Err("must be null, plain or curve")),
            (&[(KEY, "curve"), (SECRET_KEY, "")], Err("must not be empty")),
        ] {
            let row = |(key, value): &(&str, &str)| SettingRow {
                id: 1,
                key: Cell::Text((*key).to_owned()),
                value: Cell::Text((*value).to_owned()),
            };
            let rows: Vec<SettingRow> = written.iter().map(row).collect();
            let mut findings = Findings::default();
            let written_settings = settings(&rows, &mut findings).security;
            findings.warnings.clear();
            let lowered = written_settings.lower(&rows, &mut findings);
            match expected {
                Ok((security, warning)) => {
                    assert_eq!((lowered, findings.faults.len()), (security, 0), "{written:?}");
                    let warnings: String =
                        findings.warnings.iter().map(|warning| warning.what.as_str()).collect();
                    assert_eq!(warnings, warning, "{written:?}");
                }
                Err(fault) => {
                    let accepted = &findings.faults[0].accepted;
                    assert!(accepted.contains(fault), "{written:?}: {accepted}");
                }
            }
        }
    }
}
