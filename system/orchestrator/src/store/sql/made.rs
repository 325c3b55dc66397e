//! What a deployment made, and the checkpoints over it.

use super::transaction::{Transaction, composite, json, named, number, stored};
use crate::checkpoint::Ledger;
use crate::store::{Answer, Lease, StoreError};
use crate::{Checkpoint, Instance, Intent, Phase, Resource};

const LOCKS: &str = "deployment_locks";
const INTENTS: &str = "intents";
const CHECKPOINTS: &str = "checkpoints";

impl Transaction<'_> {
    async fn ledger(&mut self, instance: &Instance) -> Answer<Ledger> {
        let issued = sqlx::query("select intents_issued from deployment_locks where instance = $1");
        let issued = self.row(issued.bind(instance.to_string())).await?;
        let issued = issued.map(|row| number(&row, LOCKS, 0)).transpose()?.unwrap_or_default();
        Ok(Ledger::from_stored(self.intents(instance).await?, issued))
    }

    pub(super) async fn intents(&mut self, instance: &Instance) -> Answer<Vec<Intent>> {
        let all = sqlx::query("select seq, phase, resource from intents where instance = $1 order by seq");
        let rows = self.rows(all.bind(instance.to_string())).await?;
        let intent = |row| {
            Ok(Intent {
                seq: number(row, INTENTS, 0)?,
                phase: named(row, INTENTS, 1)?,
                resource: composite(row, INTENTS, 2)?,
            })
        };
        rows.iter().map(intent).collect()
    }

    pub(super) async fn intend(&mut self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        self.check(lease).await?;
        let mut ledger = self.ledger(&lease.instance).await?;
        if !ledger.intend(phase, resource) {
            return Ok(());
        }
        let seq = ledger.entries().last().map_or(0, |entry| entry.seq);
        let count = sqlx::query("update deployment_locks set intents_issued = $1 where instance = $2");
        self.execute(count.bind(stored(seq)).bind(lease.instance.to_string())).await?;
        let insert =
            sqlx::query("insert into intents (instance, seq, phase, resource) values ($1, $2, $3, $4)");
        let insert = insert.bind(lease.instance.to_string()).bind(stored(seq));
        self.execute(insert.bind(phase.as_str()).bind(json(resource))).await
    }

    pub(super) async fn undone(&mut self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        self.check(lease).await?;
        let mut ledger = self.ledger(&lease.instance).await?;
        let before = ledger.entries().to_vec();
        ledger.undone(phase, resource);
        for struck in before.iter().filter(|entry| !ledger.entries().contains(entry)) {
            let delete = sqlx::query("delete from intents where instance = $1 and seq = $2");
            self.execute(delete.bind(lease.instance.to_string()).bind(stored(struck.seq))).await?;
        }
        Ok(())
    }

    pub(super) async fn save_checkpoint(&mut self, lease: &Lease, phase: Phase) -> Answer<Checkpoint> {
        let now = self.check(lease).await?;
        let name = lease.instance.to_string();
        let count = sqlx::query(
            "update deployment_locks set checkpoints_issued = checkpoints_issued + 1 \
             where instance = $1 returning checkpoints_issued",
        );
        let seq = self.number(count.bind(&name)).await?;
        let made = self.ledger(&lease.instance).await?.of(phase);
        let checkpoint = Checkpoint::seal(seq, phase, now, lease.token, made);
        let save = sqlx::query(
            "insert into checkpoints (instance, phase, checkpoint) values ($1, $2, $3) \
             on conflict (instance, phase) do update set checkpoint = excluded.checkpoint",
        );
        self.execute(save.bind(&name).bind(phase.as_str()).bind(json(&checkpoint))).await?;
        Ok(checkpoint)
    }

    pub(super) async fn retract(&mut self, lease: &Lease, phases: &[Phase]) -> Answer<()> {
        self.check(lease).await?;
        for phase in phases {
            let delete = sqlx::query("delete from checkpoints where instance = $1 and phase = $2");
            self.execute(delete.bind(lease.instance.to_string()).bind(phase.as_str())).await?;
        }
        Ok(())
    }

    pub(super) async fn checkpoints(&mut self, instance: &Instance) -> Answer<Vec<Checkpoint>> {
        let all = sqlx::query("select checkpoint from checkpoints where instance = $1");
        let rows = self.rows(all.bind(instance.to_string())).await?;
        let saved = rows.iter().map(|row| composite(row, CHECKPOINTS, 0));
        let mut saved = saved.collect::<Answer<Vec<Checkpoint>>>()?;
        saved.sort_by_key(|checkpoint| checkpoint.phase);
        for checkpoint in &saved {
            let verified = checkpoint.verify();
            verified.map_err(|corrupt| StoreError::Corrupt { instance: instance.clone(), corrupt })?;
        }
        Ok(saved)
    }
}
