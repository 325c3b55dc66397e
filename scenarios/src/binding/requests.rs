//! The kinds of requests a scenario can send, and what can come of them.

use std::time::Duration;

/// The kinds of requests a scenario can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody asks for what they may have. Every one is a question of its own, so that no answer can
    /// come from the decision cache.
    Read,
    /// The same few questions again and again: what the decision cache is for.
    ReadAgain,
    /// Somebody asks for what they may not have.
    ReadForbidden,
    /// As `Read`, by a caller who gives up after half a second.
    ReadImpatient,
    /// The commuter logs in at the identity provider.
    Login,
    /// As `Read`, by the commuter, with the token of the latest login.
    ReadAsCommuter,
    /// The leaver has all tokens revoked.
    Leave,
    /// As `Read`, by the leaver, with the token of the latest login.
    ReadAsLeaver,
    /// The leaver logs in again.
    Return,
    /// The identity provider signs with a new key from now on.
    RotateKeys,
    /// Somebody opens an encrypted resource that they may have.
    Open,
    /// Somebody asks for an encrypted resource that they may have, and that was changed in the store.
    ReadTampered,
    /// As `Read`, with a token signed by a key that nobody published.
    ReadWithUnknownKey,
    /// As `Read`, by somebody whose issuer nobody trusts.
    ReadAsStranger,
    /// Somebody with a token signed by a key that nobody published has the leaver's tokens revoked.
    RevokeForged,
    /// The commuter logs out.
    Logout,
    /// The commuter, with the token of the latest login, asks the key access service itself for a key.
    KeyAsCommuter,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Read,
        Self::ReadAgain,
        Self::ReadForbidden,
        Self::ReadImpatient,
        Self::Login,
        Self::ReadAsCommuter,
        Self::Leave,
        Self::ReadAsLeaver,
        Self::Return,
        Self::RotateKeys,
        Self::Open,
        Self::ReadTampered,
        Self::ReadWithUnknownKey,
        Self::ReadAsStranger,
        Self::RevokeForged,
        Self::Logout,
        Self::KeyAsCommuter,
    ];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadAgain => "read-again",
            Self::ReadForbidden => "read-forbidden",
            Self::ReadImpatient => "read-impatient",
            Self::Login => "login",
            Self::ReadAsCommuter => "read-as-commuter",
            Self::Leave => "leave",
            Self::ReadAsLeaver => "read-as-leaver",
            Self::Return => "return",
            Self::RotateKeys => "rotate-keys",
            Self::Open => "open",
            Self::ReadTampered => "read-tampered",
            Self::ReadWithUnknownKey => "read-with-unknown-key",
            Self::ReadAsStranger => "read-as-stranger",
            Self::RevokeForged => "revoke-forged",
            Self::Logout => "logout",
            Self::KeyAsCommuter => "key-as-commuter",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How long its callers wait, in system time.
    pub const fn patience(self) -> Duration {
        match self {
            Self::ReadImpatient => Duration::from_millis(500),
            // Making a key takes a processor a second of real time, and longer beside others.
            Self::RotateKeys => Duration::from_mins(1),
            _ => Duration::from_secs(20),
        }
    }

    /// Whether its success is a decision that let somebody through.
    pub const fn is_a_question(self) -> bool {
        !matches!(
            self,
            Self::Login | Self::Leave | Self::Return | Self::RotateKeys | Self::RevokeForged | Self::Logout
        )
    }
}

/// What can come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 200: the policy let it through.
    Allowed,
    /// It was opened, and says what it should.
    Opened,
    /// The key access service handed out the key.
    Released,
    /// 2xx to what is no question to the policy: it was done.
    Done,
    /// 403, with the policy's reason.
    Denied,
    /// 503: the node can't decide now.
    Unavailable,
    /// 401.
    Unauthenticated,
    /// Any other status.
    Error,
    /// No connection, or it broke.
    Refused,
    /// No answer while the caller waited.
    NoAnswer,
    /// The caller gave up on purpose.
    GaveUp,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Allowed,
        Self::Opened,
        Self::Released,
        Self::Done,
        Self::Denied,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::Error,
        Self::Refused,
        Self::NoAnswer,
        Self::GaveUp,
    ];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Opened => "opened",
            Self::Released => "released",
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::NoAnswer => "no-answer",
            Self::GaveUp => "gave-up",
        }
    }

    /// What a status means as the answer to a request of that kind.
    pub const fn of_status(kind: Kind, status: u16) -> Self {
        match status {
            200 if matches!(kind, Kind::KeyAsCommuter) => Self::Released,
            200 if kind.is_a_question() => Self::Allowed,
            200..300 if !kind.is_a_question() => Self::Done,
            403 => Self::Denied,
            503 => Self::Unavailable,
            401 => Self::Unauthenticated,
            _ => Self::Error,
        }
    }
}
