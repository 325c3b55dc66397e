//! Removing needs an operator who meant it.

/// That an operator meant what can't be taken back. There is no other way to one than [`Confirmed::said`], and
/// no removing without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed(());

/// It was not confirmed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this removes containers, data, secrets and certificates, and was not confirmed")]
pub struct Unconfirmed;

impl Confirmed {
    /// What an operator said when asked whether it is meant.
    ///
    /// # Errors
    /// [`Unconfirmed`], when they did not say so.
    pub const fn said(confirmed: bool) -> Result<Self, Unconfirmed> {
        if confirmed { Ok(Self(())) } else { Err(Unconfirmed) }
    }
}
