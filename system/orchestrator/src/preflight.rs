//! Whether a spoke may go on: what it takes of its hub needs one that is up, and it stands only beside one that does.

use std::time::Duration;

use crate::{DeploymentState, ErrorCode, StateChange};

/// What a spoke needs its hub to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Up: its services are healthy.
    Up,
    /// Seen to work as a whole.
    Complete,
}

/// What a spoke does about its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubGate {
    /// The hub is what it needs to be: go on.
    Open,
    /// The hub is being deployed: wait, and say so.
    Wait {
        /// For at most this much longer.
        left: Duration,
    },
    /// Give up.
    Closed(ErrorCode),
}

/// Decides about a spoke that has `waited` for its hub.
///
/// It is asked three times. PREFLIGHT goes on with a hub that stands or is being deployed: most of a spoke needs
/// nothing of it. Before a service is made that [does](crate::Service::needs_the_hub), the spoke waits until the hub
/// is up. VERIFICATION waits until it is COMPLETE: so a spoke that comes up beside a hub which then fails, is taken
/// back or removed ends with it.
///
/// # Rules
/// - A hub that is COMPLETE lets the spoke through at once.
/// - One that somebody configures or verifies is [up](Need::Up): its DEPLOYMENT is finished.
/// - While somebody is deploying the hub the spoke waits, but no longer than `limit`, which is the hub's
///   [deployment timeout](crate::levels::deployment_timeout); after that it is 1002.
/// - No hub at all is 1001 at once.
/// - A hub that failed, is being taken down, or whose deployment nobody carries on is 1002 at once.
pub fn hub_gate(
    need: Need,
    hub: DeploymentState,
    is_held: bool,
    waited: Duration,
    limit: Duration,
) -> HubGate {
    use DeploymentState as S;
    match hub {
        S::Complete => HubGate::Open,
        S::Configuring | S::Verifying if is_held && need == Need::Up => HubGate::Open,
        S::Unknown if !is_held => HubGate::Closed(ErrorCode::HubNotFound),
        S::Unknown | S::Initializing | S::Deploying | S::Configuring | S::Verifying
            if is_held && waited < limit =>
        {
            HubGate::Wait { left: limit.saturating_sub(waited) }
        }
        _ => HubGate::Closed(ErrorCode::HubUnhealthy),
    }
}

/// Whether a spoke was COMPLETE, and so beside a hub that was, since its deployment last began or was last taken back.
/// Such a one comes up again without its hub.
pub fn has_stood_beside_its_hub(history: &[StateChange]) -> bool {
    use DeploymentState::{Cleanup, Complete, Initializing, RollingBack, Unknown};
    let turning =
        |to: &DeploymentState| matches!(to, Complete | Initializing | RollingBack | Cleanup | Unknown);
    history.iter().rev().map(|change| change.to).find(turning) == Some(Complete)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::StateLog;
    use crate::{FencingToken, Stamp};

    const LIMIT: Duration = Duration::from_secs(540);

    fn state() -> impl Strategy<Value = DeploymentState> {
        prop::sample::select(DeploymentState::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn it_waits_only_while_the_hub_is_being_deployed_and_never_beyond_the_limit(
            need in prop::sample::select(vec![Need::Up, Need::Complete]),
            hub in state(), is_held: bool, waited in 0u64..1_200
        ) {
            use DeploymentState as S;
            let waited = Duration::from_secs(waited);
            let is_up = is_held && matches!(hub, S::Configuring | S::Verifying);
            match hub_gate(need, hub, is_held, waited, LIMIT) {
                HubGate::Open => prop_assert!(hub == S::Complete || need == Need::Up && is_up),
                HubGate::Wait { left } => {
                    prop_assert!(is_held);
                    prop_assert_eq!(waited + left, LIMIT);
                    prop_assert!(![S::Complete, S::Failed, S::RollingBack, S::Cleanup].contains(&hub));
                    prop_assert!(need == Need::Complete || !is_up);
                }
                HubGate::Closed(code) => {
                    prop_assert!(hub != S::Complete);
                    let none = hub == S::Unknown && !is_held;
                    prop_assert_eq!(code, if none { ErrorCode::HubNotFound } else { ErrorCode::HubUnhealthy });
                }
            }
        }

        #[test]
        fn what_lets_it_be_complete_lets_it_come_up(
            hub in state(), is_held: bool, waited in 0u64..1_200
        ) {
            let at = |need| hub_gate(need, hub, is_held, Duration::from_secs(waited), LIMIT);
            prop_assert!(at(Need::Complete) != HubGate::Open || at(Need::Up) == HubGate::Open);
        }

        /// Over any history: it has, from each COMPLETE on, until it begins anew or is undone.
        #[test]
        fn it_has_stood_from_complete_on_until_it_begins_anew_or_is_undone(
            asked in prop::collection::vec(state(), 0..80)
        ) {
            use DeploymentState as S;
            let (mut log, mut stood) = (StateLog::default(), false);
            for to in asked {
                if log.append(Stamp::default(), FencingToken::FIRST, log.state(), to, "").is_ok() {
                    match to {
                        S::Complete => stood = true,
                        S::Initializing | S::RollingBack | S::Cleanup | S::Unknown => stood = false,
                        S::Failed | S::Deploying | S::Configuring | S::Verifying => {}
                    }
                }
                prop_assert_eq!(has_stood_beside_its_hub(log.entries()), stood);
            }
        }
    }

    #[test]
    fn no_hub_fails_at_once_and_a_deployed_one_opens_at_once() {
        let at_once = |hub, is_held| hub_gate(Need::Up, hub, is_held, Duration::ZERO, LIMIT);
        assert_eq!(at_once(DeploymentState::Unknown, false), HubGate::Closed(ErrorCode::HubNotFound));
        assert_eq!(at_once(DeploymentState::Complete, false), HubGate::Open);
        assert_eq!(at_once(DeploymentState::Deploying, true), HubGate::Wait { left: LIMIT });
        assert_eq!(at_once(DeploymentState::Deploying, false), HubGate::Closed(ErrorCode::HubUnhealthy));
        assert_eq!(at_once(DeploymentState::Configuring, true), HubGate::Open);
        assert_eq!(at_once(DeploymentState::Configuring, false), HubGate::Closed(ErrorCode::HubUnhealthy));
    }
}
