//! Exchanges in progress: connections whose last bytes went upstream and still await an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The gauge and its high-water mark in one word, so that neither can be read without the other.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(AtomicU64);

/// How many connections await an answer, now and at most since the mark was last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeGauge {
    /// Now.
    pub in_progress: u32,
    /// At most, since the start or the last reset of the mark.
    pub high_water: u32,
}

impl ExchangeGauge {
    fn unpack(word: u64) -> Self {
        Self { in_progress: word as u32, high_water: (word >> 32) as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.high_water) << 32 | u64::from(self.in_progress)
    }
}

impl Exchanges {
    fn update(&self, change: impl Fn(ExchangeGauge) -> ExchangeGauge) -> ExchangeGauge {
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                Some(change(ExchangeGauge::unpack(word)).pack())
            })
            .unwrap_or_else(|word| word);
        ExchangeGauge::unpack(before)
    }

    pub(crate) fn read(&self) -> ExchangeGauge {
        ExchangeGauge::unpack(self.0.load(Ordering::Acquire))
    }

    /// Sets the mark to what is in progress, and says what it was.
    pub(crate) fn reset_high_water(&self) -> ExchangeGauge {
        self.update(|g| ExchangeGauge { high_water: g.in_progress, ..g })
    }

    /// Counts one until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InProgress {
        self.update(|g| {
            let in_progress = g.in_progress.saturating_add(1);
            ExchangeGauge { in_progress, high_water: g.high_water.max(in_progress) }
        });
        InProgress(Arc::clone(self))
    }
}

/// One exchange; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct InProgress(Arc<Exchanges>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.update(|g| ExchangeGauge { in_progress: g.in_progress.saturating_sub(1), ..g });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mark_is_the_most_there_was_since_its_reset(acts in prop::collection::vec(0_u8..3, 0..100)) {
            let exchanges = Arc::new(Exchanges::default());
            let (mut held, mut most) = (Vec::new(), 0);
            for act in acts {
                match act {
                    0 => held.push(exchanges.begin()),
                    1 => drop(held.pop()),
                    _ => {
                        prop_assert_eq!(exchanges.reset_high_water().high_water, most);
                        most = held.len() as u32;
                    }
                }
                most = most.max(held.len() as u32);
                prop_assert_eq!(
                    exchanges.read(),
                    ExchangeGauge { in_progress: held.len() as u32, high_water: most }
                );
            }
        }
    }
}
