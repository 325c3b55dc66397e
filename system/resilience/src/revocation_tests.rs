use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3600;
const NOW: Duration = Duration::from_secs(1_750_000_000);
const ISSUED: i64 = 1_750_000_000;

fn name(n: u8) -> Arc<str> {
    format!("n{n}").into()
}

fn after(seconds: u64) -> Duration {
    NOW + Duration::from_secs(seconds)
}

fn token(n: u8, seconds: u64) -> Revocation {
    Revocation::Token { jti: name(n), until: after(seconds) }
}

fn user(n: u8, issued_until: i64, seconds: u64) -> Revocation {
    Revocation::User { user: name(n), issued_until: ISSUED + issued_until, until: after(seconds) }
}

fn room(capacity: usize) -> Revocations {
    Revocations::new(NonZeroUsize::new(capacity).unwrap())
}

/// Learned so many seconds after `NOW`, in the order of time.
fn learned() -> impl Strategy<Value = Vec<(u64, Revocation)>> {
    let one = prop_oneof![
        (0..6_u8, 0..3 * HOUR).prop_map(|(n, until)| token(n, until)),
        (0..6_u8, -5..5_i64, 0..3 * HOUR).prop_map(|(n, issued, until)| user(n, issued, until)),
    ];
    prop::collection::vec((0..2 * HOUR, one), 0..25).prop_map(|mut learned| {
        learned.sort_by_key(|(at, _)| *at);
        learned
    })
}

/// Whether this one revocation alone refuses the token.
fn covers(revocation: &Revocation, (jti, of, iat): (u8, u8, i64), now: Duration) -> bool {
    match revocation {
        Revocation::Token { jti: revoked, until } => *revoked == name(jti) && now <= *until,
        Revocation::User { user, issued_until, until } => {
            *user == name(of) && iat <= *issued_until && now <= *until
        }
    }
}

fn tokens() -> impl Iterator<Item = (u8, u8, i64)> {
    (0..6).flat_map(|jti| (0..6).flat_map(move |of| (-6..6).map(move |iat| (jti, of, ISSUED + iat))))
}

fn refuses(revocations: &Revocations, (jti, of, iat): (u8, u8, i64), now: Duration) -> bool {
    revocations.refuses(Some(&name(jti)), &name(of), iat, now).is_some()
}

/// What of them was in time when it was learned.
fn in_time(learned: &[(u64, Revocation)]) -> impl Iterator<Item = &Revocation> {
    learned.iter().filter_map(|(at, revocation)| {
        let (Revocation::Token { until, .. } | Revocation::User { until, .. }) = revocation;
        (*until >= after(*at)).then_some(revocation)
    })
}

proptest! {
    #[test]
    fn what_was_learned_is_refused_until_its_end_whatever_else_is_learned(
        learned in learned(), capacity in 1_usize..14, later in 0..HOUR,
    ) {
        let mut revocations = room(capacity);
        let mut last = 0;
        for (at, revocation) in &learned {
            revocations.learn(revocation, after(*at));
            // There are never more places taken than the capacity.
            prop_assert!(revocations.places <= capacity && revocations.len() <= capacity);
            last = *at;
        }
        let now = after(last + later);
        for token in tokens() {
            if in_time(&learned).any(|revocation| covers(revocation, token, now)) {
                prop_assert!(refuses(&revocations, token, now), "{:?}", token);
            }
        }
    }

    #[test]
    fn a_token_issued_after_the_cutoff_of_its_user_and_not_revoked_itself_is_not_refused(
        learned in learned(), later in 0..HOUR,
    ) {
        let mut revocations = room(100);
        let mut last = 0;
        for (at, revocation) in &learned {
            prop_assert_ne!(revocations.learn(revocation, after(*at)), Learned::NoRoom);
            last = *at;
        }
        let now = after(last + later);
        for token in tokens() {
            let revoked = in_time(&learned).any(|revocation| match revocation {
                Revocation::Token { .. } => covers(revocation, token, now),
                Revocation::User { user, issued_until, .. } => *user == name(token.1) && token.2 <= *issued_until,
            });
            prop_assert!(revoked || !refuses(&revocations, token, now), "{:?}", token);
        }
    }

    #[test]
    fn neither_order_nor_repetition_changes_what_is_refused(
        (learned, shuffled) in learned().prop_flat_map(|learned| {
            let twice: Vec<_> = learned.iter().chain(&learned).cloned().collect();
            (Just(learned), Just(twice).prop_shuffle())
        }),
        at in 0..3 * HOUR,
    ) {
        let (mut one, mut other) = (room(100), room(100));
        let all = |learned: &[(u64, Revocation)]| -> Vec<Revocation> {
            learned.iter().map(|(_, revocation)| revocation.clone()).collect()
        };
        one.merge(&all(&learned), NOW);
        other.merge(&all(&shuffled), NOW);
        for token in tokens() {
            prop_assert_eq!(refuses(&one, token, after(at)), refuses(&other, token, after(at)));
        }
        prop_assert_eq!(one.len(), other.len());
    }

    #[test]
    fn a_wall_clock_that_steps_back_lets_nothing_in_that_was_learned(
        learned in learned(), back in 0..=HOUR,
    ) {
        let mut revocations = room(100);
        let mut last = 0;
        for (at, revocation) in &learned {
            revocations.learn(revocation, after(*at));
            last = *at;
        }
        let now = after(last).saturating_sub(Duration::from_secs(back));
        for token in tokens() {
            let revoked = in_time(&learned).any(|revocation| covers(revocation, token, now));
            prop_assert!(!revoked || refuses(&revocations, token, now), "{:?}", token);
        }
    }
}

#[test]
fn a_later_shorter_one_never_shortens() {
    let mut revocations = room(10);
    assert_eq!(revocations.learn(&token(1, 100), NOW), Learned::News);
    assert_eq!(revocations.learn(&token(1, 50), after(10)), Learned::Known);
    assert_eq!(revocations.learn(&user(1, 0, 100), NOW), Learned::News);
    assert_eq!(revocations.learn(&user(1, -5, 50), after(10)), Learned::Known);
    assert!(revocations.refuses(Some("n1"), "n9", ISSUED, after(100)).is_some(), "its last instant");
    assert!(revocations.refuses(Some("n1"), "n9", ISSUED, after(101)).is_none());
    assert_eq!(revocations.learn(&token(1, 150), after(20)), Learned::News);
    assert_eq!(revocations.refuses(Some("n1"), "n9", ISSUED, after(150)), Some(Refusal::Token));
}

#[test]
fn a_token_issued_in_the_very_second_of_the_cutoff_is_refused_and_a_fresh_login_is_accepted() {
    let mut revocations = room(10);
    revocations.learn(&user(1, 0, 100), NOW);
    assert_eq!(revocations.refuses(None, "n1", ISSUED - 1, NOW), Some(Refusal::User));
    assert_eq!(revocations.refuses(None, "n1", ISSUED, NOW), Some(Refusal::User));
    assert_eq!(revocations.refuses(None, "n1", ISSUED + 1, NOW), None);
    assert_eq!(revocations.refuses(None, "n2", ISSUED, NOW), None);
}

#[test]
fn what_finds_no_room_refuses_everyone_until_it_ends() {
    let mut revocations = room(2);
    for n in [1, 2] {
        assert_eq!(revocations.learn(&token(n, 1000), NOW), Learned::News);
    }
    assert_eq!(revocations.refuses(Some("x"), "x", ISSUED, NOW), None);
    assert_eq!(revocations.learn(&token(3, 60), NOW), Learned::NoRoom);
    assert_eq!(revocations.refuses(Some("x"), "x", ISSUED, after(60)), Some(Refusal::NoRoom));
    assert_eq!(revocations.refuses(Some("x"), "x", ISSUED, after(61)), None);
    assert_eq!(revocations.learn(&token(2, 2000), NOW), Learned::News, "what is known needs no room");
}

#[test]
fn what_has_ended_makes_room() {
    let mut revocations = room(2);
    revocations.learn(&token(1, 10), NOW);
    revocations.learn(&token(2, 1000), NOW);
    assert_eq!(revocations.learn(&token(3, 1000), after(10)), Learned::NoRoom, "its last instant");
    assert_eq!(revocations.learn(&token(3, 1000), after(11)), Learned::News);
    assert_eq!(revocations.learn(&token(4, 5), after(6)), Learned::Over);
    assert_eq!(revocations.len(), 2);
}

#[test]
fn a_long_name_takes_the_room_of_several() {
    let mut revocations = room(10);
    let long = Revocation::Token { jti: "x".repeat(8 * BYTES_OF_A_PLACE).into(), until: after(10) };
    assert_eq!(revocations.learn(&long, NOW), Learned::News);
    assert_eq!(revocations.learn(&token(1, 10), NOW), Learned::News);
    assert_eq!(revocations.learn(&token(2, 10), NOW), Learned::NoRoom);
}
