//! Rows of the `setting` table into typed limits and switches, by the one table of what there is.

mod security;
mod table;

use std::collections::HashMap;
use std::time::Duration;

use site::{ClientCertificate, Limits, Options, Uploads};

use crate::endpoint::Endpoint;
use crate::findings::{Findings, at};
use crate::rows::{Cell, SettingRow};
pub(crate) use security::SecuritySettings;
pub use table::SETTINGS;

/// One key that the `setting` table may hold.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub key: &'static str,
    /// What the value counts or names: `bytes`, `seconds`, `0 or 1` and the like.
    pub unit: &'static str,
    /// As it would be written in the table; empty: not set.
    pub default: &'static str,
    /// What it is for and why the default is what it is; for a setting without effect, why.
    pub reason: &'static str,
    pub(crate) effect: Effect,
}

/// How a value is read and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// A whole number from the first to the second.
    Count(u64, u64, fn(&mut Settings, u64)),
    /// Seconds with at most three decimals, from the first to the second in milliseconds.
    Time(u64, u64, fn(&mut Settings, Duration)),
    /// 0 is off, any other whole number is on.
    Flag(fn(&mut Settings, bool)),
    /// Permission bits in octal.
    Mode(fn(&mut Settings, u32)),
    /// Text; the error says what is accepted.
    Text(fn(&mut Settings, &str) -> Result<(), String>),
    /// A whole number from the first to the second; below the third it has no effect, as it had none
    /// in Mongrel2.
    Raise(u64, u64, u64, fn(&mut Settings, u64)),
    /// Accepted for the sake of old configurations.
    Nothing,
}

/// All settings of a database, with defaults for those it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) uploads: Uploads,
    pub(crate) options: Options,
    pub(crate) daemonize: bool,
    pub(crate) control_port: String,
    pub(crate) tls: TlsSettings,
    pub(crate) security: SecuritySettings,
    pub(crate) bounds: Bounds,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) ciphers: Option<String>,
    pub(crate) ca_chain: Option<String>,
    pub(crate) verify_optional: bool,
    pub(crate) verify_required: bool,
}

/// Bounds on the configuration itself, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) dir_base: usize,
    pub(crate) host_name: usize,
    pub(crate) mime_extension: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            uploads: Uploads::default(),
            options: Options::default(),
            daemonize: true,
            control_port: "ipc://run/control".to_owned(),
            tls: TlsSettings::default(),
            security: SecuritySettings::default(),
            bounds: Bounds { dir_base: 256, host_name: 256, mime_extension: 128 },
        }
    }
}

impl TlsSettings {
    pub(crate) fn client_certificate(&self) -> ClientCertificate {
        match (self.verify_required, self.verify_optional) {
            (true, _) => ClientCertificate::Required,
            (false, true) => ClientCertificate::Optional,
            (false, false) => ClientCertificate::NotAsked,
        }
    }
}

impl Setting {
    /// The setting with this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Reads `value` into `settings`; the error says what is accepted.
    pub(crate) fn apply(&self, settings: &mut Settings, value: &str) -> Result<(), String> {
        let value = value.trim_matches([' ', '\t', '\r', '\n']);
        match self.effect {
            Effect::Count(least, most, set) => set(settings, self.count(value, least, most)?),
            Effect::Raise(least, most, floor, set) => {
                let number = self.count(value, least, most)?;
                if number >= floor {
                    set(settings, number);
                }
            }
            Effect::Time(least, most, set) => {
                let time = milliseconds(value).filter(|ms| (least..=most).contains(ms));
                let time = time.ok_or_else(|| {
                    let (least, most) = (seconds(least), seconds(most));
                    format!("must be seconds from {least} to {most}, at most three decimals")
                })?;
                set(settings, Duration::from_millis(time));
            }
            Effect::Flag(set) => {
                let number = whole(value).ok_or("must be 0 or 1")?;
                set(settings, number != 0);
            }
            Effect::Mode(set) => {
                let octal = value.bytes().all(|b| matches!(b, b'0'..=b'7'));
                let mode =
                    u32::from_str_radix(value, 8).ok().filter(|mode| octal && *mode <= 0o777);
                set(settings, mode.ok_or("must be permission bits in octal, as in 0600")?);
            }
            Effect::Text(set) => set(settings, value)?,
            Effect::Nothing => {}
        }
        Ok(())
    }

    fn count(&self, value: &str, least: u64, most: u64) -> Result<u64, String> {
        let number = whole(value).filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| {
            let unit = self.unit;
            match most {
                u64::MAX => format!("must be a whole number of {unit}, at least {least}"),
                _ => format!("must be a whole number of {unit} from {least} to {most}"),
            }
        })
    }

    /// Why a valid value changes nothing.
    fn idle(&self, value: &str) -> Option<String> {
        match self.effect {
            Effect::Nothing => Some(format!("has no effect: {}", self.reason)),
            Effect::Raise(_, _, floor, _) => {
                let number = whole(value.trim()).filter(|number| *number < floor)?;
                Some(format!("{number} has no effect, it is {floor} at least"))
            }
            _ => None,
        }
    }
}

/// Reads all rows; the last row of a key counts.
pub(crate) fn settings(rows: &[SettingRow], findings: &mut Findings) -> Settings {
    let mut settings = Settings::default();
    let last: HashMap<&Cell, i64> = rows.iter().map(|row| (&row.key, row.id)).collect();
    for row in rows {
        let (key_at, value_at) = (at!(row, "setting".key), at!(row, "setting".value));
        let key = findings.text(key_at);
        let value = findings.text(value_at);
        let (Some(key), Some(value)) = (key, value) else { continue };
        if let Some(later) = last.get(&row.key).filter(|later| **later != row.id) {
            findings.warn(key_at, format!("row {later} has the same key and replaces it"));
            continue;
        }
        let Some(setting) = Setting::find(key) else {
            let known = SETTINGS.iter().map(|setting| setting.key);
            findings.warn_among(key_at, "no such setting, it has no effect", known);
            continue;
        };
        match setting.apply(&mut settings, value) {
            Ok(()) => {
                if let Some(why) = setting.idle(value) {
                    findings.warn(key_at, why);
                }
            }
            Err(accepted) => findings.fault(value_at, format!("{key} {accepted}")),
        }
    }
    settings
}

/// Decimal digits, a plus sign allowed, as C's atoi reads them but to the end of the text.
fn whole(value: &str) -> Option<u64> {
    value.parse().ok()
}

fn milliseconds(value: &str) -> Option<u64> {
    let (whole_part, decimals) = value.split_once('.').unwrap_or((value, "0"));
    if decimals.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = whole(&format!("{decimals:0<3}"))?;
    whole(whole_part)?.checked_mul(1000)?.checked_add(thousandths)
}

/// As `Effect::Time` reads it.
fn seconds(milliseconds: u64) -> String {
    Duration::from_millis(milliseconds).as_secs_f64().to_string()
}

/// An endpoint for the control port.
fn control_port(text: &str) -> Result<String, String> {
    match Endpoint::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, key: &str, value: &str) -> SettingRow {
        SettingRow { id, key: Cell::Text(key.into()), value: Cell::Text(value.into()) }
    }

    #[test]
    fn the_defaults_of_the_table_are_the_defaults_of_the_types() {
        for setting in SETTINGS {
            if setting.default.is_empty() || matches!(setting.effect, Effect::Nothing) {
                continue;
            }
            let mut settings = Settings::default();
            setting.apply(&mut settings, setting.default).unwrap();
            assert_eq!(settings, Settings::default(), "{}", setting.key);
        }
    }

    #[test]
    fn each_setting_changes_something_and_each_field_has_a_setting() {
        let mut all = Settings::default();
        for setting in SETTINGS {
            let other = match setting.effect {
                Effect::Count(_, most, _) if most < 77_777 => "3",
                Effect::Count(..) | Effect::Raise(..) => "77777",
                Effect::Time(..) => "7.5",
                Effect::Flag(_) if setting.default == "0" => "1",
                Effect::Flag(_) => "0",
                Effect::Mode(_) => "0644",
                Effect::Text(_) if setting.key == "upload.digest" => "sha256",
                Effect::Text(_) if setting.key == "handler.security" => "curve",
                Effect::Text(_) if setting.key == "handler.balance" => "least_pending",
                Effect::Text(_) => "ipc://tmp/up.XXXXXX",
                Effect::Nothing => continue,
            };
            let mut settings = Settings::default();
            setting.apply(&mut settings, other).unwrap();
            assert_ne!(settings, Settings::default(), "{}", setting.key);
            setting.apply(&mut all, other).unwrap();
        }
        let (all, default) = (format!("{all:?}"), format!("{:?}", Settings::default()));
        assert_eq!(all.split(", ").count(), default.split(", ").count());
        for (field, default) in all.split(", ").zip(default.split(", ")) {
            assert_ne!(field, default, "no setting changes it");
        }
    }

    #[test]
    fn keys_are_written_once_and_in_order() {
        assert!(SETTINGS.is_sorted_by(|a, b| a.key < b.key));
    }

    #[test]
    fn values_are_read_or_refused() {
        let check = |key: &str, value: &str, expected: bool| {
            let mut findings = Findings::default();
            settings(&[row(1, key, value)], &mut findings);
            assert_eq!(findings.faults.is_empty(), expected, "{key}={value}: {findings:?}");
        };
        check("limits.content_length", "0", true);
        check("limits.content_length", " 12 ", true);
        check("limits.content_length", "", false);
        check("limits.content_length", "12k", false);
        check("limits.content_length", "-1", false);
        check("limits.content_length", "0x10", false);
        check("limits.content_length", "99999999999999999999", false);
        check("limits.buffer_size", "512", true);
        check("limits.buffer_size", "0", false);
        check("limits.handler_targets", "0", false);
        check("timeout.head", "0.25", true);
        check("timeout.head", "0", false);
        check("timeout.head", "1.", false);
        check("timeout.head", "1.2345", false);
        check("timeout.head", ".5", false);
        check("timeout.head", "1e3", false);
        check("handler.timeout", "0", true);
        check("handler.balance", "least_pending", true);
        check("handler.balance", "random", false);
        check("handler.max_pending", "0", true);
        check("handler.max_pending", "none", false);
        check("handler.retries", "0", true);
        check("handler.retries", "-1", false);
        check("net.tcp_keepalive", "yes", false);
        check("net.tcp_keepalive", "2", true);
        check("upload.temp_store", "tmp/up.XXXXXX", true);
        check("upload.temp_store", "tmp/up", false);
        check("upload.temp_store", "", false);
        check("upload.digest", "sha256", true);
        check("upload.digest", "md5", false);
        check("upload.digest", "", false);
        check("upload.temp_store_mode", "666", true);
        check("upload.temp_store_mode", "0666", true);
        check("upload.temp_store_mode", "rw", false);
        check("upload.temp_store_mode", "688", false);
        check("upload.temp_store_mode", "+600", false);
        check("upload.temp_store_mode", "4755", false);
        check("upload.temp_store_mode", "", false);
        check("control_port", "ipc://run/x", true);
        check("control_port", "run/x", false);
        check("certdir", "", false);
        check("zeromq.threads", "anything", true);
        check("no.such", "", true);
    }

    #[test]
    fn values_mean_what_they_say() {
        let mut findings = Findings::default();
        let rows = [
            row(1, "timeout.idle", "5"),
            row(2, "timeout.idle", "0.05"),
            row(3, "handler.timeout", "1.5"),
            row(4, "limits.min_ping", "0"),
            row(5, "limits.min_read_rate", "0"),
            row(6, "upload.temp_store_mode", "640"),
            row(7, "disable.access_logging", "1"),
            row(8, "limits.upload_size", "1000"),
            row(9, "ssl.verify_required", "1"),
        ];
        let settings = settings(&rows, &mut findings);
        assert_eq!(settings.limits.idle_deadline, Duration::from_millis(50));
        assert_eq!(settings.limits.handler_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(settings.limits.min_ping, None);
        assert_eq!(settings.limits.min_read_rate, None);
        assert_eq!(settings.limits.upload_size_max, Some(1000));
        assert_eq!(settings.uploads.mode, 0o640);
        assert!(!settings.options.access_logging);
        assert_eq!(settings.tls.client_certificate(), ClientCertificate::Required);
        assert!(findings.faults.is_empty());
        let warnings: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
        let expected = "setting row 1, key 'timeout.idle': row 2 has the same key and replaces it";
        assert!(warnings.iter().any(|warning| warning == expected), "{warnings:?}");
    }

    #[test]
    fn what_changes_nothing_says_so() {
        let check = |key: &str, value: &str, expected: Option<&str>| {
            let mut findings = Findings::default();
            let settings = settings(&[row(1, key, value)], &mut findings);
            let warnings: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
            let expected = expected.map(|what| format!("setting row 1, key '{key}': {what}"));
            assert_eq!(warnings, Vec::from_iter(expected), "{key}={value}");
            settings.limits.target_bytes_max
        };
        let low = "256 has no effect, it is 8192 at least";
        // Mongrel2 writes this default into databases and never reads it.
        assert_eq!(check("limits.url_path", "256", Some(low)), 8192);
        assert_eq!(check("limits.url_path", "8192", None), 8192);
        assert_eq!(check("limits.url_path", "10000", None), 10_000);
        check("timeout.idle", "5", None);
    }

    #[test]
    fn unknown_keys_name_the_nearest_and_idle_ones_say_why() {
        let mut findings = Findings::default();
        let rows = [row(1, "limits.content_lenght", "5"), row(2, "zeromq.threads", "2")];
        settings(&rows, &mut findings);
        let warnings: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings[0],
            "setting row 1, key 'limits.content_lenght': no such setting, it has no effect \
             (did you mean 'limits.content_length'?)"
        );
        assert!(warnings[1].starts_with("setting row 2, key 'zeromq.threads': has no effect: "));
    }
}
