//! How often and after how long each operation is tried again.

use std::time::Duration;

use crate::Operation;

/// The base of all waits.
pub const BASE: Duration = Duration::from_secs(5);

/// The longest wait of the operations without a row of their own.
pub const CAP: Duration = Duration::from_secs(60);

/// One row of the retry matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// n·5 s + 2n² s: 7, 18, 33 s. Keycloak starts slowly and then fast.
    Quadratic,
    /// 5 s and 0 to 4 s by chance, never more: what is awaited is there or isn't.
    Jittered,
    /// 5·2ⁿ⁻¹ s and 0 to 2 s by chance.
    ExponentialJittered,
    /// 5n s.
    Linear,
    /// 5, 10, 20, 40, 60 s: what one side wrote is not seen by the other at once.
    Listed,
    /// 5·2ⁿ⁻¹ s, at most [`CAP`].
    Exponential,
}

impl Operation {
    /// The row of this operation. There is no way to wait for an operation but by its row.
    pub const fn row(self) -> Row {
        match self {
            Self::Keycloak => Row::Quadratic,
            Self::Federation => Row::Jittered,
            Self::Secret => Row::ExponentialJittered,
            Self::Health => Row::Linear,
            Self::Verification => Row::Listed,
            Self::Containers | Self::Documents | Self::Policy => Row::Exponential,
        }
    }

    /// How long to wait before the `n`-th new try (from 1) after a failure; `None` when it has been tried
    /// often enough. `chance` is drawn anew each time, from [0, 1).
    pub fn wait(self, n: u32, chance: f64) -> Option<Duration> {
        self.row().wait(n, chance)
    }
}

impl Row {
    /// How many times a failed operation is tried again: 3, but 5 where the waits are listed.
    pub const fn attempts(self) -> u32 {
        match self {
            Self::Listed => 5,
            _ => 3,
        }
    }

    fn wait(self, n: u32, chance: f64) -> Option<Duration> {
        if n == 0 || n > self.attempts() {
            return None;
        }
        let jitter = |most: u64| Duration::from_secs(most).mul_f64(chance.clamp(0.0, 1.0));
        let doubled = BASE * 2u32.saturating_pow(n - 1);
        Some(match self {
            Self::Quadratic => BASE * n + Duration::from_secs(2) * n * n,
            Self::Jittered => BASE + jitter(4),
            Self::ExponentialJittered => doubled + jitter(2),
            Self::Linear => BASE * n,
            Self::Listed | Self::Exponential => doubled.min(CAP),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(operation: Operation, chance: f64) -> Vec<f64> {
        (1..).map_while(|n| operation.wait(n, chance)).map(|wait| wait.as_secs_f64()).collect()
    }

    #[test]
    fn each_operation_waits_by_its_row() {
        for chance in [0.0, 0.5, 0.999] {
            assert_eq!(seconds(Operation::Keycloak, chance), [7.0, 18.0, 33.0]);
            assert_eq!(seconds(Operation::Health, chance), [5.0, 10.0, 15.0]);
            assert_eq!(seconds(Operation::Verification, chance), [5.0, 10.0, 20.0, 40.0, 60.0]);
            for other in [Operation::Containers, Operation::Documents, Operation::Policy] {
                assert_eq!(seconds(other, chance), [5.0, 10.0, 20.0]);
            }
        }
        assert_eq!(seconds(Operation::Federation, 0.0), [5.0, 5.0, 5.0]);
        assert_eq!(seconds(Operation::Federation, 0.5), [7.0, 7.0, 7.0]);
        assert_eq!(seconds(Operation::Secret, 0.0), [5.0, 10.0, 20.0]);
        assert_eq!(seconds(Operation::Secret, 0.5), [6.0, 11.0, 21.0]);
    }

    proptest! {
        #[test]
        fn chance_adds_up_to_4_s_to_federation_and_up_to_2_s_to_secrets_and_nothing_elsewhere(
            chance in 0.0f64..1.0, n in 0u32..8
        ) {
            for operation in Operation::ALL {
                let (wait, least) = (operation.wait(n, chance), operation.wait(n, 0.0));
                prop_assert_eq!(wait.is_some(), (1..=operation.row().attempts()).contains(&n));
                let Some((wait, least)) = wait.zip(least) else { continue };
                let most = match operation {
                    Operation::Federation => 4.0,
                    Operation::Secret => 2.0,
                    _ => 0.0,
                };
                let added = wait.as_secs_f64() - least.as_secs_f64();
                prop_assert!((added - most * chance).abs() < 1e-6, "{operation}: {added}");
                prop_assert!(wait >= BASE);
            }
        }
    }
}
