use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::check::{Check, Checks};
use crate::classification::Classification;
use crate::testing::input;

#[derive(Clone, Debug)]
enum Step {
    Ask { question: u8 },
    AskAndFlushMeanwhile { question: u8 },
    Wait { seconds: u8 },
    Revise { revision: u8 },
    Revoke { subject: u8 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12u8).prop_map(|question| Step::Ask { question }),
        1 => (0..12u8).prop_map(|question| Step::AskAndFlushMeanwhile { question }),
        3 => (0..40u8).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..2u8).prop_map(|revision| Step::Revise { revision }),
        1 => (0..3u8).prop_map(|subject| Step::Revoke { subject }),
    ]
}

/// Twelve questions: three subjects, four levels.
fn question(number: u8) -> Input {
    let mut input = input();
    input.subject.unique_id = Some(format!("user-{}", number % 3));
    input.resource.classification = Some(Classification::ALL[usize::from(number / 3)].to_string());
    input
}

/// A decision that can be told from every other one made in a run: a pattern over the checks.
fn numbered(number: usize) -> Arc<Decision> {
    let checks = Check::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| number >> bit & 1 == 1)
        .fold(Checks::all_held(), |checks, (_, check)| checks.failing(check));
    Arc::new(Decision::new(checks, vec![]))
}

struct Made {
    decision: Arc<Decision>,
    at: Duration,
}

proptest! {
    #[test]
    fn the_invariants_hold_over_any_history(
        steps in prop::collection::vec(any_step(), 0..200),
        capacity in 1..8usize,
    ) {
        let settings = CacheSettings { capacity: NonZeroUsize::new(capacity).unwrap(), ..CacheSettings::default() };
        let mut cache = DecisionCache::new(settings, PolicyRevision::from("0"));
        let mut now = Duration::ZERO;
        // What could at most be served, were there room for everything.
        let mut fresh: BTreeMap<u8, Made> = BTreeMap::new();
        let mut made = 0;
        for step in steps {
            match step {
                Step::Ask { question: number } | Step::AskAndFlushMeanwhile { question: number } => {
                    let input = question(number);
                    let key = cache.key(&input);
                    if let Some(served) = cache.get(&key, now) {
                        let truth = fresh.get(&number).expect("served only what was decided since the last flush");
                        prop_assert!(Arc::ptr_eq(&served, &truth.decision), "served for exactly its question");
                        prop_assert!(now < truth.at + settings.ttl.of(&input.resource), "never at or past the TTL");
                    } else {
                        made += 1;
                        let decision = numbered(made);
                        if matches!(step, Step::AskAndFlushMeanwhile { .. }) {
                            cache.flush();
                            fresh.clear();
                            prop_assert!(!cache.insert(&key, &input, decision, now));
                        } else {
                            prop_assert!(cache.insert(&key, &input, Arc::clone(&decision), now));
                            prop_assert!(cache.get(&key, now).is_some(), "kept at least until the next insert");
                            fresh.insert(number, Made { decision, at: now });
                        }
                    }
                }
                Step::Wait { seconds } => now += Duration::from_secs(seconds.into()),
                Step::Revise { revision } => {
                    let revision = PolicyRevision(revision.to_string());
                    if revision != *cache.revision() {
                        fresh.clear();
                    }
                    cache.set_revision(&revision);
                }
                Step::Revoke { subject } => {
                    cache.flush_subject(&format!("user-{subject}"));
                    fresh.retain(|number, _| number % 3 != subject);
                }
            }
            prop_assert!(cache.len() <= capacity, "bounded");
        }
    }
}

#[test]
fn a_decision_lives_exactly_as_long_as_its_level_allows() {
    for level in Classification::ALL {
        let mut cache = DecisionCache::new(CacheSettings::default(), PolicyRevision::from("0"));
        let mut input = input();
        input.resource.classification = Some(level.to_string());
        let key = cache.key(&input);
        let made = Duration::from_secs(7);
        assert!(cache.insert(&key, &input, numbered(0), made));
        let end = made + Ttl::default().at(level);
        assert!(cache.get(&key, end.saturating_sub(Duration::from_nanos(1))).is_some(), "{level}");
        assert!(cache.get(&key, end).is_none(), "{level}");
        assert!(cache.is_empty(), "an expired decision is dropped when it is met");
    }
}

#[test]
fn serving_a_decision_again_does_not_lengthen_its_life() {
    let mut cache = DecisionCache::new(CacheSettings::default(), PolicyRevision::from("0"));
    let input = question(9);
    let key = cache.key(&input);
    cache.insert(&key, &input, numbered(0), Duration::ZERO);
    for second in 0..30 {
        assert!(cache.get(&key, Duration::from_secs(second)).is_some(), "{second}");
    }
    assert!(cache.get(&key, Duration::from_secs(30)).is_none());
}

#[test]
fn the_least_recently_used_goes_first_and_a_full_cache_is_no_error() {
    let settings = CacheSettings { capacity: NonZeroUsize::new(2).unwrap(), ..CacheSettings::default() };
    let mut cache = DecisionCache::new(settings, PolicyRevision::from("0"));
    let keys: Vec<CacheKey> = (0..3).map(|number| cache.key(&question(number))).collect();
    for (number, key) in (0..3).zip(&keys) {
        assert!(cache.insert(key, &question(number), numbered(number.into()), Duration::ZERO));
        cache.get(&keys[0], Duration::ZERO);
    }
    assert!(cache.get(&keys[0], Duration::ZERO).is_some());
    assert!(cache.get(&keys[1], Duration::ZERO).is_none());
    assert!(cache.get(&keys[2], Duration::ZERO).is_some());
}

#[test]
fn a_revocation_drops_the_subjects_decisions_only() {
    let mut cache = DecisionCache::new(CacheSettings::default(), PolicyRevision::from("0"));
    for number in 0..12 {
        let key = cache.key(&question(number));
        cache.insert(&key, &question(number), numbered(number.into()), Duration::ZERO);
    }
    assert_eq!(cache.flush_subject("user-1"), 4);
    for number in 0..12 {
        let kept = cache.get(&cache.key(&question(number)), Duration::ZERO).is_some();
        assert_eq!(kept, number % 3 != 1, "{number}");
    }
}

#[test]
fn the_same_revision_again_flushes_nothing() {
    let mut cache = DecisionCache::new(CacheSettings::default(), PolicyRevision::from("0"));
    let key = cache.key(&input());
    cache.insert(&key, &input(), numbered(0), Duration::ZERO);
    assert_eq!(cache.set_revision(&PolicyRevision::from("0")), 0);
    assert!(cache.get(&key, Duration::ZERO).is_some());
    assert_eq!(cache.set_revision(&PolicyRevision::from("1")), 1);
    assert!(cache.get(&cache.key(&input()), Duration::ZERO).is_none());
}
