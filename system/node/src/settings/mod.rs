//! The settings of a node: defaults, then one TOML file, then the environment, then explicit overrides.
//!
//! Every duration and threshold is a setting. Unknown keys and values out of range are refused, all of
//! them at once, each with what is allowed. Each value remembers where it came from
//! ([`Settings::effective`]).

mod error;
mod file;
mod kas;
mod reader;
mod table;
mod typed;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

pub use error::{SettingError, SettingsError};
pub use kas::KasSettings;
use table::{TABLE, variable};
pub use typed::{
    AuditSettings, Durability, FileSettings, HttpSettings, Identity, KeycloakSettings, LogFormat,
    LogSettings, MongodbSettings, OpaSettings, PollSettings, Profile, RedisSettings, ResourceSettings,
    RevocationSettings, TlsSettings, TokenSettings, Values,
};
use value::{Clock, Kind, Raw, Value};

/// Environment variables of ours that are no settings: the file's own name.
const NO_SETTINGS: [&str; 1] = ["DIVE_CONFIG"];

/// What a busy machine may take for an answer, whatever the speed of the run.
const LEAST_ANSWER: Duration = Duration::from_millis(100);

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// Nobody set it, and the profile has a default of its own.
    Profile,
    /// A file's line.
    File {
        /// The file's name.
        name: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A caller, such as a command line's `--set`.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile => f.write_str("profile"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Override => f.write_str("override"),
        }
    }
}

/// One line of [`Settings::effective`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting's key.
    pub key: String,
    /// Its value; a secret that is set shows as `***`.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// What it is for.
    pub about: String,
}

/// The settings of a node. Reading them is reading the fields of [`Values`]; they are changed through
/// [`with`](Self::with), so that every change is checked.
#[derive(Clone, PartialEq)]
pub struct Settings {
    values: Values,
    resolved: BTreeMap<String, (Value, Origin)>,
}

/// The typed values alone: what they were read from may hold a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values.fmt(f)
    }
}

impl Deref for Settings {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

/// A TOML text with the name that errors call it by.
#[derive(Clone, Copy, Debug)]
pub struct TomlFile<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

impl Default for Settings {
    /// The defaults of the profile `dev`.
    fn default() -> Self {
        Self::load(None, []).expect("the defaults are valid settings")
    }
}

impl Settings {
    /// Defaults, `file`, then `environment` (only variables that begin with `DIVE_` are looked at).
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is unknown, out of range or contradictory.
    pub fn load(
        file: Option<TomlFile<'_>>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut errors = Vec::new();
        let mut written = match file.map(file::read).transpose() {
            Ok(written) => written.unwrap_or_default(),
            Err(error) => return Err(SettingsError(vec![error])),
        };
        for (name, value) in environment {
            if !name.starts_with("DIVE_") || NO_SETTINGS.contains(&name.as_str()) {
                continue;
            }
            match TABLE.keys().find(|key| variable(key) == name) {
                Some(key) => {
                    written.insert(key.clone(), (Raw::Untyped(value), Origin::Environment(name)));
                }
                None => errors.push(SettingError::Unknown {
                    suggestion: closest(&name, TABLE.keys().map(|key| variable(key))),
                    key: name.clone(),
                    origin: Origin::Environment(name),
                }),
            }
        }
        Self::resolve(written, errors)
    }

    /// The same settings with one changed, `value` written as in the environment.
    ///
    /// # Errors
    /// [`SettingsError`] when there is no such setting or it may not have that value.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, SettingsError> {
        let raw = Raw::Untyped(value.to_owned());
        let changed = read(key, &raw, &Origin::Override).map_err(|error| SettingsError(vec![error]))?;
        let mut resolved = self.resolved.clone();
        if key == "profile" {
            let production = value == "production";
            for (key, entry) in TABLE.iter() {
                if matches!(resolved.get(key), Some((_, Origin::Default | Origin::Profile))) {
                    resolved.insert(key.clone(), default_of(entry, production));
                }
            }
        }
        resolved.insert(key.to_owned(), (changed, Origin::Override));
        Self::typed(resolved)
    }

    /// The same settings in a world that runs `speed` times as fast: every span on the node's own clock is
    /// divided, but those by which an answer is slow, or too slow for a cache, to no less than 100 ms. The
    /// tolerance for other machines' wall clocks stays.
    #[must_use]
    pub fn compressed(&self, speed: f64) -> Self {
        let mut resolved = self.resolved.clone();
        for (key, (value, _)) in &mut resolved {
            let Some(Kind::Span { clock, .. }) = TABLE.get(key).map(|entry| entry.kind) else { continue };
            let least = match clock {
                Clock::Own => Duration::from_micros(1),
                Clock::Answer => LEAST_ANSWER,
                Clock::Wall => continue,
            };
            if let Value::Span(span) = value {
                let shorter = Duration::try_from_secs_f64(span.as_secs_f64() / speed).unwrap_or(*span);
                *span = shorter.max(least).min(*span);
            }
        }
        let values = Values::from_resolved(&resolved);
        Self { values, resolved }
    }

    /// Every setting in the order of its key, secrets masked.
    pub fn effective(&self) -> Vec<Effective> {
        let line = |(key, (value, origin)): (&String, &(Value, Origin))| {
            let entry = TABLE.get(key)?;
            Some(Effective {
                key: key.clone(),
                value: shown(entry.kind, &value.to_string()),
                origin: origin.clone(),
                about: entry.about.clone(),
            })
        };
        self.resolved.iter().filter_map(line).collect()
    }

    fn resolve(
        written: BTreeMap<String, (Raw, Origin)>,
        mut errors: Vec<SettingError>,
    ) -> Result<Self, SettingsError> {
        let production = written.get("profile").is_some_and(|(raw, _)| raw.as_str() == "production");
        let mut resolved: BTreeMap<_, _> =
            TABLE.iter().map(|(key, entry)| (key.clone(), default_of(entry, production))).collect();
        for (key, (raw, origin)) in written {
            match read(&key, &raw, &origin) {
                Ok(value) => drop(resolved.insert(key, (value, origin))),
                Err(error) => errors.push(error),
            }
        }
        match Self::typed(resolved) {
            Ok(settings) if errors.is_empty() => Ok(settings),
            Ok(_) => Err(SettingsError(errors)),
            Err(SettingsError(more)) => {
                errors.extend(more);
                Err(SettingsError(errors))
            }
        }
    }

    fn typed(resolved: BTreeMap<String, (Value, Origin)>) -> Result<Self, SettingsError> {
        let values = Values::from_resolved(&resolved);
        let errors = values.contradictions();
        if errors.is_empty() { Ok(Self { values, resolved }) } else { Err(SettingsError(errors)) }
    }
}

fn default_of(entry: &table::Entry, production: bool) -> (Value, Origin) {
    let (text, origin) = match &entry.in_production {
        Some(text) if production => (text, Origin::Profile),
        _ => (&entry.default, Origin::Default),
    };
    let value = entry.kind.read(&Raw::Untyped(text.clone())).expect("every default is a valid value");
    (value, origin)
}

fn read(key: &str, raw: &Raw, origin: &Origin) -> Result<Value, SettingError> {
    let Some(entry) = TABLE.get(key) else {
        return Err(SettingError::Unknown {
            key: key.to_owned(),
            origin: origin.clone(),
            suggestion: closest(key, TABLE.keys().cloned()),
        });
    };
    entry.kind.read(raw).map_err(|expected| SettingError::Invalid {
        key: key.to_owned(),
        value: shown(entry.kind, raw.as_str()),
        origin: origin.clone(),
        expected,
    })
}

fn shown(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Secret if !text.is_empty() => "***".to_owned(),
        // Where credentials in a URL are refused, the refusal must not print them either.
        Kind::HttpUrl | Kind::Url(_) => {
            text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("***@{rest}"))
        }
        _ => text.to_owned(),
    }
}

fn closest(written: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|key| (strsim::damerau_levenshtein(written, &key), key))
        .filter(|(distance, key)| *distance <= key.len() / 3)
        .min()
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests;
