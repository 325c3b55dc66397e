//! Waiting out what the holder before may still have under way.

use super::moves::Work;
use super::undo::refused;
use super::{Event, Interrupted};

impl Work<'_> {
    /// Changes nothing until what holders who did not give the lock back had asked for has come to its end: the store
    /// fences what is written late, a container engine fences nothing. What it makes after we looked would be written
    /// down nowhere.
    pub(super) async fn settle(&self) -> Result<(), Interrupted> {
        let waits = self.holding.lease.after.iter().map(|before| {
            let left = before.settles_in((self.engine.gone)(&before.by));
            (left, &before.by)
        });
        if let Some((left, after)) = waits.max() {
            self.tell(&Event::Settling { after: after.clone(), left });
            self.wait(left).await.map_err(refused)?;
        }
        self.holding.settle(true);
        Ok(())
    }
}
