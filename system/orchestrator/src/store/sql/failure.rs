//! What a database's error means.

use std::fmt::Display;

use crate::store::StoreError;

/// The error of a database, without any password: drivers name host, user and statement at most.
pub(super) fn of(error: &sqlx::Error) -> StoreError {
    let sqlx::Error::Database(reported) = error else {
        return StoreError::Unavailable { why: error.to_string() };
    };
    let code = reported.code().unwrap_or_default();
    let why = reported.message().to_owned();
    if is_denial(&code) { StoreError::Denied { why } } else { StoreError::Unavailable { why } }
}

/// Wrong password or name, no right, read only.
fn is_denial(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's numbers; the low byte is the primary one: READONLY, AUTH, PERM.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 3 | 8 | 23),
        _ => code.starts_with("28") || matches!(code, "42501" | "25006"),
    }
}

/// A row of `table` that can't be read.
pub(super) fn unreadable(table: &'static str, why: impl Display) -> StoreError {
    StoreError::Unreadable { table, why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_told_from_outages() {
        for code in ["28P01", "28000", "42501", "25006", "8", "264", "1032", "23"] {
            assert!(is_denial(code), "{code}");
        }
        for code in ["57P01", "53300", "5", "14", "26", "55P03", "08006", ""] {
            assert!(!is_denial(code), "{code}");
        }
    }
}
