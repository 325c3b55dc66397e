//! Whether a spoke may go on: what it takes of its hub needs one that stands.

use std::time::Duration;

use crate::{DeploymentState, ErrorCode};

/// What a spoke does about its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubGate {
    /// The hub stands: go on.
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
/// It is asked twice. PREFLIGHT goes on with a hub that stands or is being deployed: most of a spoke needs nothing
/// of it. Before a service is made that [does](crate::Service::needs_the_hub), the spoke waits.
///
/// # Rules
/// - A hub that is COMPLETE lets the spoke through at once.
/// - While somebody is deploying the hub the spoke waits, but no longer than `limit`, which is the hub's
///   [deployment timeout](crate::levels::deployment_timeout); after that it is 1002.
/// - No hub at all is 1001 at once.
/// - A hub that failed, is being taken down, or whose deployment nobody carries on is 1002 at once.
pub fn hub_gate(hub: DeploymentState, is_held: bool, waited: Duration, limit: Duration) -> HubGate {
    use DeploymentState as S;
    match hub {
        S::Complete => HubGate::Open,
        S::Unknown if !is_held => HubGate::Closed(ErrorCode::HubNotFound),
        S::Unknown | S::Initializing | S::Deploying | S::Configuring | S::Verifying
            if is_held && waited < limit =>
        {
            HubGate::Wait { left: limit.saturating_sub(waited) }
        }
        _ => HubGate::Closed(ErrorCode::HubUnhealthy),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(540);

    proptest! {
        #[test]
        fn it_waits_only_while_the_hub_is_being_deployed_and_never_beyond_the_limit(
            hub in prop::sample::select(DeploymentState::ALL.to_vec()), is_held: bool, waited in 0u64..1_200
        ) {
            let waited = Duration::from_secs(waited);
            match hub_gate(hub, is_held, waited, LIMIT) {
                HubGate::Open => prop_assert_eq!(hub, DeploymentState::Complete),
                HubGate::Wait { left } => {
                    prop_assert!(is_held);
                    prop_assert_eq!(waited + left, LIMIT);
                    let gone = [DeploymentState::Failed, DeploymentState::RollingBack, DeploymentState::Cleanup];
                    prop_assert!(!gone.contains(&hub));
                }
                HubGate::Closed(code) => {
                    prop_assert!(hub != DeploymentState::Complete);
                    let none = hub == DeploymentState::Unknown && !is_held;
                    prop_assert_eq!(code, if none { ErrorCode::HubNotFound } else { ErrorCode::HubUnhealthy });
                }
            }
        }
    }

    #[test]
    fn no_hub_fails_at_once_and_a_deployed_one_opens_at_once() {
        let at_once = |hub, is_held| hub_gate(hub, is_held, Duration::ZERO, LIMIT);
        assert_eq!(at_once(DeploymentState::Unknown, false), HubGate::Closed(ErrorCode::HubNotFound));
        assert_eq!(at_once(DeploymentState::Complete, false), HubGate::Open);
        assert_eq!(at_once(DeploymentState::Deploying, true), HubGate::Wait { left: LIMIT });
        assert_eq!(at_once(DeploymentState::Deploying, false), HubGate::Closed(ErrorCode::HubUnhealthy));
    }
}
