//! What a value says about the thing it belongs to, told by its words.
//!
//! Reports know no system: `OPEN`, `down` and `firing` are drawn as trouble because of what they
//! mean in the field, whatever signal carries them. A value of no known word stays plain.

/// How a value is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Refused in good order: neither trouble nor service.
    Refused,
    /// Neither well nor failed: probing, degraded, starting.
    Warn,
    /// Trouble.
    Bad,
    /// Nothing known.
    Plain,
}

const GOOD: &str = "closed up healthy ok okay ready normal steady serving live alive allowed allow success \
    succeeded passed connected synced active available true yes on fresh resolved inactive running served done \
    opened trusted complete completed";
const WARN: &str = "half degraded pending probing starting stopping draining maintenance stale suspect retrying \
    recovering warning slow throttled partial lagging paused initializing deploying configuring verifying rolling";
const BAD: &str = "open down unhealthy failed failing failure error dead offline unreachable lost firing refused \
    rejected broken crashed killed false no not off timeout expired revoked suspended unavailable hung stopped \
    exited wrong disconnected untrusted";
const REFUSED: &str = "denied deny refused rejected forbidden unauthorized unauthenticated";
const UNSERVED: &str = "unavailable busy throttled overloaded";

impl Tone {
    /// The tone of a signal's value.
    pub(crate) fn of_value(value: &str) -> Self {
        let words = words(value);
        let any = |known: &str| known.split_whitespace().any(|known| words.iter().any(|word| word == known));
        // `HALF_OPEN` is a probe and `not ready` is no readiness: the words that qualify come first.
        if any(WARN) {
            Self::Warn
        } else if any(BAD) {
            Self::Bad
        } else if any(GOOD) {
            Self::Good
        } else {
            Self::Plain
        }
    }

    /// The tone of a class of answers, where a refusal may well be right.
    pub(crate) fn of_answer(class: &str) -> Self {
        let words = words(class);
        let any = |known: &str| known.split_whitespace().any(|known| words.iter().any(|word| word == known));
        if any(REFUSED) {
            Self::Refused
        } else if any(UNSERVED) {
            Self::Warn
        } else {
            Self::of_value(class)
        }
    }

    /// The word that the style sheet knows it by.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_words() {
        for (value, tone) in [
            ("CLOSED", Tone::Good),
            ("OPEN", Tone::Bad),
            ("HALF_OPEN", Tone::Warn),
            ("forced-open", Tone::Bad),
            ("healthy", Tone::Good),
            ("unhealthy", Tone::Bad),
            ("not ready", Tone::Bad),
            ("DEPLOYING", Tone::Warn),
            ("ROLLING_BACK", Tone::Warn),
            ("COMPLETE", Tone::Good),
            ("7", Tone::Plain),
            ("", Tone::Plain),
        ] {
            assert_eq!(Tone::of_value(value), tone, "{value}");
        }
    }

    #[test]
    fn a_refusal_is_not_trouble() {
        assert_eq!(Tone::of_answer("denied"), Tone::Refused);
        assert_eq!(Tone::of_answer("unavailable"), Tone::Warn);
        assert_eq!(Tone::of_answer("allowed"), Tone::Good);
        assert_eq!(Tone::of_answer("timeout"), Tone::Bad);
    }
}
