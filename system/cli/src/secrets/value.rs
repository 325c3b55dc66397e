//! A text that must not be shown.

use std::fmt;
use std::ops::Deref;

use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};
use zeroize::Zeroizing;

/// How many hexadecimal digits a secret has: 32 bytes.
const DIGITS: usize = 64;

/// A text that must not be shown, wiped when it goes.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// A new one, by the machine's own chance.
    pub(crate) fn made() -> Done<Self> {
        let mut bytes = Zeroizing::new([0; DIGITS / 2]);
        getrandom::fill(&mut *bytes).map_err(|error| {
            Failure::new(ErrorCode::SecretLoad, format!("the machine gives no chance: {error}"))
        })?;
        Ok(base16ct::lower::encode_string(&*bytes).into())
    }

    /// The same, if it is a secret as they are made here.
    ///
    /// # Errors
    /// With [`ErrorCode::SecretInvalid`] and `place`, which is where it was found.
    pub(crate) fn checked(self, place: impl fmt::Display) -> Done<Self> {
        if self.len() == DIGITS && self.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(self)
        } else {
            let detail = format!("{place} is not a secret: {DIGITS} hexadecimal digits");
            Err(Failure::new(ErrorCode::SecretInvalid, detail))
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_of_its_kind_unlike_any_other_and_not_shown() {
        let (one, other) = (Secret::made().unwrap(), Secret::made().unwrap());
        assert_ne!(*one, *other);
        assert_eq!(format!("{one:?}"), "Secret(…)");
        assert!(one.checked("here").is_ok());
        for text in ["", "hunter2", &"g".repeat(DIGITS), &"a".repeat(DIGITS + 1)] {
            let failure = Secret::from(text.to_owned()).checked("there").unwrap_err();
            assert_eq!(failure.code, ErrorCode::SecretInvalid);
            assert!(failure.detail.starts_with("there ") && !failure.detail.contains("hunter2"));
        }
    }
}
