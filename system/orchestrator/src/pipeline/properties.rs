//! What is planned, for any request over any facts.

use proptest::prelude::*;

use super::*;

fn phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(Phase::ALL.to_vec())
}

fn facts() -> impl Strategy<Value = Facts> {
    let state = prop::sample::select(DeploymentState::ALL.to_vec());
    (state, any::<bool>(), 0usize..=6, any::<bool>()).prop_map(|(state, has_stood, done, seeded)| Facts {
        state,
        has_stood,
        finished: Phase::ALL.into_iter().take(done).filter(|phase| seeded || !phase.is_optional()).collect(),
    })
}

fn request() -> impl Strategy<Value = Request> {
    let ask = prop_oneof![
        1 => Just(Ask::Deploy),
        3 => Just(Ask::Resume),
        1 => phase().prop_map(Ask::From),
        1 => phase().prop_map(Ask::Only),
    ];
    let on_failure = prop::option::of(prop_oneof![Just(OnFailure::Keep), Just(OnFailure::RollBack)]);
    let skip = prop_oneof![
        3 => Just(BTreeSet::new()),
        3 => Just(BTreeSet::from([Phase::Seeding])),
        1 => prop::collection::btree_set(phase(), 1..3),
    ];
    (ask, skip, on_failure).prop_map(|(ask, skip, on_failure)| Request { ask, skip, on_failure })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn what_is_planned_keeps_the_rules(request in request(), facts in facts()) {
        match plan(&request, &facts) {
            Ok(Plan { retract, phases }) => {
                prop_assert!(phases.is_sorted_by(|a, b| a < b), "in order, each once");
                prop_assert!(request.skip.iter().all(|phase| !phases.contains(phase) && phase.is_optional()));
                for (index, phase) in phases.iter().enumerate() {
                    let stands = |p: Phase| p.is_optional()
                        || phases[..index].contains(&p)
                        || facts.finished.contains(&p) && !retract.contains(&p);
                    prop_assert!(phase.earlier().all(stands), "{phase} stands on what is finished");
                    prop_assert!(retract.contains(phase));
                }
                if request.ask == Ask::Resume && facts.state != DeploymentState::Cleanup {
                    prop_assert!(phases.iter().all(|phase| !facts.finished.contains(phase)));
                    prop_assert!(facts.state != DeploymentState::Complete);
                }
                if matches!(request.ask, Ask::Deploy | Ask::Resume | Ask::From(_)) {
                    let left: BTreeSet<_> = facts.finished.iter().filter(|p| !retract.contains(p))
                        .chain(&phases).copied().collect();
                    prop_assert!(Facts { finished: left, ..facts }.is_whole(), "it ends whole");
                }
                if let Ask::Only(phase) = request.ask {
                    prop_assert_eq!(phases, [phase]);
                }
            }
            Err(CannotPlan::NothingToResume) =>
                prop_assert!(request.ask == Ask::Resume && facts.state == DeploymentState::Complete),
            Err(CannotPlan::StandsOn { phase, missing }) =>
                prop_assert!(missing < phase && !missing.is_optional() && !facts.finished.contains(&missing)),
            Err(CannotPlan::NotOptional(phase)) =>
                prop_assert!(!phase.is_optional() && request.skip.contains(&phase)),
            Err(CannotPlan::RunAndSkipped(phase)) => prop_assert_eq!(request.ask, Ask::Only(phase)),
            Err(CannotPlan::NeverReached(_)) => prop_assert!(false),
        }
    }

    #[test]
    fn every_run_from_anywhere_makes_legal_transitions_and_ends(
        request in request(), facts in facts(), fails_at in prop::option::of(0usize..30)
    ) {
        let Ok(mut run) = Run::deploy(&request, &facts) else { return Ok(()) };
        let mut state = facts.state;
        let mut ended = None;
        for step in 0..200 {
            match run.next() {
                None => break,
                Some(Move::Enter { from, to }) => {
                    prop_assert_eq!(*from, state);
                    prop_assert!(from.may_become(*to));
                    state = *to;
                }
                Some(Move::Perform(phase)) => prop_assert_eq!(phase.state(), state),
                Some(Move::End(ending)) => ended = Some(*ending),
                Some(_) => {}
            }
            let may_fail = matches!(run.next(), Some(Move::Perform(_) | Move::Checkpoint(_) | Move::Undo { .. }));
            if may_fail && fails_at == Some(step) { run.failed(); } else { run.done(); }
        }
        let expected = match ended.expect("it ends") {
            Ending::Complete => DeploymentState::Complete,
            _ => DeploymentState::Failed,
        };
        prop_assert_eq!(state, expected);
        if let Some(Ending::Undone { failed }) = ended {
            prop_assert_eq!(on_failure(&request, &facts, failed), OnFailure::RollBack);
        }
        if let Some(Ending::Kept { failed }) = ended {
            prop_assert_eq!(on_failure(&request, &facts, failed), OnFailure::Keep);
        }
    }
}

#[test]
fn a_failure_never_takes_down_what_has_stood_unless_told_to() {
    let stood = Facts { state: DeploymentState::Initializing, has_stood: true, finished: BTreeSet::new() };
    for phase in Phase::ALL {
        assert_eq!(on_failure(&Ask::Deploy.into(), &stood, phase), OnFailure::Keep);
        let told = Request { on_failure: Some(OnFailure::RollBack), ..Ask::Deploy.into() };
        assert_eq!(on_failure(&told, &stood, phase), OnFailure::RollBack);
        let fresh = Facts { has_stood: false, ..stood.clone() };
        assert_eq!(on_failure(&Ask::Deploy.into(), &fresh, phase), phase.on_failure());
    }
}
