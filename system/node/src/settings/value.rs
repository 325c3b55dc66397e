//! What a setting may be, and how it is read from text.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A span of time between two bounds.
    Span { min: Duration, max: Duration, clock: Clock },
    /// A whole number between two bounds.
    Count { min: u64, max: u64 },
    /// Text that is not empty.
    Text,
    /// Text that may be empty and is never shown.
    Secret,
    /// A path that may be empty.
    Path,
    /// `http://host:port`, without path, query or credentials.
    HttpUrl,
    /// A URL of one of these schemes, or nothing. Credentials in it are never shown.
    Url(&'static [&'static str]),
    /// `address:port`.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Which clock a span of time is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The node's own; a compressed run divides it.
    Own,
    /// The node's own, but it bounds how fast something else answers, which no compression makes faster.
    Answer,
    /// Other machines' wall clocks; nothing divides it.
    Wall,
}

/// A setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Span(Duration),
    Count(u64),
    Text(String),
}

/// How a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// A number in a file.
    Integer(String),
    /// Text in a file.
    Text(String),
    /// In the environment or on a command line, where everything is text.
    Untyped(String),
}

impl Raw {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Integer(text) | Self::Text(text) | Self::Untyped(text) => text,
        }
    }
}

impl Kind {
    /// The value that `raw` stands for, or what is allowed here.
    pub(super) fn read(&self, raw: &Raw) -> Result<Value, String> {
        self.parse(raw).ok_or_else(|| format!("expected {self}"))
    }

    fn parse(&self, raw: &Raw) -> Option<Value> {
        let text = raw.as_str();
        let typed_as_text = !matches!(raw, Raw::Integer(_));
        match *self {
            Self::Count { min, max } if !matches!(raw, Raw::Text(_)) => {
                let count = text.parse().ok()?;
                (min..=max).contains(&count).then_some(Value::Count(count))
            }
            Self::Count { .. } => None,
            _ if !typed_as_text => None,
            Self::Span { min, max, .. } => {
                let span = humantime::parse_duration(text).ok()?;
                (min..=max).contains(&span).then_some(Value::Span(span))
            }
            Self::Text if text.trim().is_empty() => None,
            Self::Text | Self::Secret | Self::Path => Some(Value::Text(text.to_owned())),
            Self::HttpUrl => {
                let url: http::Uri = text.parse().ok()?;
                let authority = url.authority()?;
                let plain = url.scheme_str() == Some("http")
                    && url.path() == "/"
                    && url.query().is_none()
                    && !authority.as_str().contains('@');
                plain.then(|| Value::Text(format!("http://{authority}")))
            }
            Self::Url(_) if text.is_empty() => Some(Value::Text(String::new())),
            Self::Url(schemes) => {
                let url: http::Uri = text.parse().ok()?;
                let known = schemes.contains(&url.scheme_str()?) && !url.host()?.is_empty();
                known.then(|| Value::Text(text.trim_end_matches('/').to_owned()))
            }
            Self::Address => text.parse::<SocketAddr>().ok().map(|address| Value::Text(address.to_string())),
            Self::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span { min, max, .. } => write!(
                f,
                "a duration from {} to {}, such as \"30s\"",
                humantime::format_duration(*min),
                humantime::format_duration(*max)
            ),
            Self::Count { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Text => f.write_str("text that is not empty"),
            Self::Secret => f.write_str("text"),
            Self::Path => f.write_str("a path"),
            Self::HttpUrl => f.write_str("a URL like \"http://host:port\""),
            Self::Url(schemes) => {
                let schemes: Vec<_> =
                    schemes.iter().map(|scheme| format!("\"{scheme}://host:port\"")).collect();
                write!(f, "a URL like {}, or nothing", schemes.join(" or "))
            }
            Self::Address => f.write_str("an address like \"127.0.0.1:4000\""),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(span) => write!(f, "{}", humantime::format_duration(*span)),
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
