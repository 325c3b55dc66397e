//! Did a holder whose time was over still write?

use super::Answer;

/// A lock was given to somebody, with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token.
    pub token: u64,
    /// When it was asked for.
    pub began: u64,
    /// When it was given: the grant took effect between the two.
    pub ended: u64,
}

/// A write that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The token it carried.
    pub token: u64,
    /// When it began.
    pub began: u64,
    /// When it was answered: it took effect between the two.
    pub ended: u64,
}

/// What shows that fencing doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FencingBroken {
    /// Two grants share a token.
    TokenRepeated(Grant, Grant),
    /// A later grant has a smaller token.
    TokensFell {
        /// The earlier grant.
        earlier: Grant,
        /// The later one.
        later: Grant,
    },
    /// A write was accepted that began after a later holder was there.
    LateWrite {
        /// The write.
        write: Write,
        /// The later holder's grant.
        after: Grant,
    },
    /// A write was accepted that began after a later holder's write was done.
    WritesFell {
        /// The later holder's write.
        earlier: Write,
        /// The write accepted after it.
        later: Write,
    },
    /// A write was accepted with a token that nobody was given, or not yet.
    Forged(Write),
}

/// Whether tokens grow with time, and no accepted write carries a token smaller than that of a grant or a
/// write that was over before it began. Grants whose answer was lost are not in the history, so a write with
/// a token that isn't either is taken for forged only when `grants_complete`.
///
/// Unknown when there are no writes of two different holders: there was nothing to fence.
pub fn fenced(grants: &[Grant], writes: &[Write], grants_complete: bool) -> Answer<FencingBroken> {
    let mut by_token: Vec<&Grant> = grants.iter().collect();
    by_token.sort_by_key(|grant| (grant.token, grant.began));
    for pair in by_token.windows(2) {
        if pair[0].token == pair[1].token {
            return Answer::Violation(FencingBroken::TokenRepeated(pair[0].clone(), pair[1].clone()));
        }
    }
    let granted = |grant: &Grant| (grant.began, grant.ended, grant.token);
    if let Some((earlier, later)) = fallen(grants, grants, granted, granted) {
        let (earlier, later) = (earlier.clone(), later.clone());
        return Answer::Violation(FencingBroken::TokensFell { earlier, later });
    }
    if grants_complete {
        let is_forged = |write: &&Write| {
            let grant = by_token.binary_search_by_key(&write.token, |grant| grant.token);
            grant.is_ok_and(|at| by_token[at].began > write.ended) || grant.is_err()
        };
        if let Some(write) = writes.iter().find(is_forged) {
            return Answer::Violation(FencingBroken::Forged(write.clone()));
        }
    }
    let written = |write: &Write| (write.began, write.ended, write.token);
    if let Some((after, write)) = fallen(grants, writes, granted, written) {
        let (after, write) = (after.clone(), write.clone());
        return Answer::Violation(FencingBroken::LateWrite { write, after });
    }
    if let Some((earlier, later)) = fallen(writes, writes, written, written) {
        let (earlier, later) = (earlier.clone(), later.clone());
        return Answer::Violation(FencingBroken::WritesFell { earlier, later });
    }
    if writes.iter().all(|write| write.token == writes[0].token) {
        return Answer::Unknown { why: "no two holders wrote, so nothing had to be fenced".to_owned() };
    }
    Answer::Holds { weighed: grants.len() + writes.len(), steps: (grants.len() + writes.len()) as u64 }
}

/// The first of `later` that began after one of `earlier` with a greater token was over.
fn fallen<'a, A, B>(
    earlier: &'a [A],
    later: &'a [B],
    of_earlier: impl Fn(&A) -> (u64, u64, u64),
    of_later: impl Fn(&B) -> (u64, u64, u64),
) -> Option<(&'a A, &'a B)> {
    let mut over: Vec<&A> = earlier.iter().collect();
    over.sort_by_key(|a| of_earlier(a).1);
    let mut begun: Vec<&B> = later.iter().collect();
    begun.sort_by_key(|b| of_later(b).0);
    let mut over = over.into_iter().peekable();
    let mut greatest: Option<&A> = None;
    for b in begun {
        let (began, _, token) = of_later(b);
        while let Some(a) = over.next_if(|a| of_earlier(a).1 < began) {
            if greatest.is_none_or(|greatest| of_earlier(greatest).2 < of_earlier(a).2) {
                greatest = Some(a);
            }
        }
        if let Some(a) = greatest.filter(|a| of_earlier(a).2 > token) {
            return Some((a, b));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(token: u64, began: u64, ended: u64) -> Grant {
        Grant { token, began, ended }
    }

    fn write(token: u64, began: u64, ended: u64) -> Write {
        Write { token, began, ended }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn it_says_what_comparing_every_pair_says(
            grants in prop::collection::vec((0u64..6, 0u64..40, 0u64..8), 0..6),
            writes in prop::collection::vec((0u64..6, 0u64..40, 0u64..8), 0..8),
        ) {
            let grants: Vec<_> = grants.into_iter().map(|(t, b, l)| grant(t, b, b + l)).collect();
            let writes: Vec<_> = writes.into_iter().map(|(t, b, l)| write(t, b, b + l)).collect();
            let repeated = (0..grants.len()).any(|a| (0..a).any(|b| grants[a].token == grants[b].token));
            let all = || grants.iter().map(|g| (g.token, g.began, g.ended, true))
                .chain(writes.iter().map(|w| (w.token, w.began, w.ended, false)));
            let fell = all().any(|(token, began, _, is_grant)| all().any(|(other, _, over, other_is_grant)| {
                over < began && other > token && (other_is_grant || !is_grant)
            }));
            let forged = writes.iter().any(|w| !grants.iter().any(|g| g.token == w.token && g.began <= w.ended));
            let answer = fenced(&grants, &writes, true);
            let expected = repeated || fell || forged;
            prop_assert_eq!(matches!(answer, Answer::Violation(_)), expected, "{:?}", answer);
        }
    }

    #[test]
    fn a_paused_holders_write_accepted_after_the_next_holder_is_there_is_seen() {
        let grants = [grant(1, 0, 1), grant(2, 30, 31)];
        assert!(fenced(&grants, &[write(1, 5, 6), write(2, 32, 33)], true).holds());
        let late = write(1, 32, 33);
        let broken = FencingBroken::LateWrite { write: late.clone(), after: grants[1].clone() };
        assert_eq!(fenced(&grants, &[late, write(2, 40, 41)], true), Answer::Violation(broken));
    }

    #[test]
    fn each_other_way_to_break_it_is_named() {
        let repeated = FencingBroken::TokenRepeated(grant(1, 0, 1), grant(1, 5, 6));
        assert_eq!(fenced(&[grant(1, 0, 1), grant(1, 5, 6)], &[], true), Answer::Violation(repeated));
        let (earlier, later) = (grant(2, 0, 1), grant(1, 5, 6));
        let fell = FencingBroken::TokensFell { earlier: earlier.clone(), later: later.clone() };
        assert_eq!(fenced(&[later, earlier], &[], true), Answer::Violation(fell));
        let fell = FencingBroken::WritesFell { earlier: write(2, 0, 1), later: write(1, 5, 6) };
        assert_eq!(fenced(&[], &[write(1, 5, 6), write(2, 0, 1)], false), Answer::Violation(fell));
        let forged = FencingBroken::Forged(write(9, 0, 1));
        assert_eq!(fenced(&[grant(1, 0, 1)], &[write(9, 0, 1)], true), Answer::Violation(forged));
        assert!(matches!(fenced(&[grant(1, 0, 1)], &[write(1, 2, 3)], true), Answer::Unknown { .. }));
    }
}
