//! States and phases: what is only ever appended, and ended once.

use sqlx::any::AnyRow;

use super::transaction::{Transaction, json, named, number, optional, stamp, stored, value};
use crate::state::permit;
use crate::store::{Answer, ErrorRecord, Lease, PhaseRun, StoreError};
use crate::{DeploymentState, FencingToken, Instance, Phase, Stamp, StateChange};

const TRANSITIONS: &str = "state_transitions";
const STEPS: &str = "deployment_steps";

fn state_change(row: &AnyRow) -> Answer<StateChange> {
    Ok(StateChange {
        seq: number(row, TRANSITIONS, 0)?,
        from: named(row, TRANSITIONS, 1)?,
        to: named(row, TRANSITIONS, 2)?,
        at: stamp(row, TRANSITIONS, 3)?,
        token: FencingToken::from_stored(number(row, TRANSITIONS, 4)?),
        why: value(row, TRANSITIONS, 5)?,
    })
}

fn phase_run(row: &AnyRow) -> Answer<PhaseRun> {
    let ended: Option<i64> = value(row, STEPS, 2)?;
    Ok(PhaseRun {
        phase: named(row, STEPS, 0)?,
        began: stamp(row, STEPS, 1)?,
        ended: ended.map(|_| stamp(row, STEPS, 2)).transpose()?,
        failure: optional(row, STEPS, 3)?,
    })
}

impl Transaction<'_> {
    /// The number and the state of the newest entry.
    async fn newest(&mut self, instance: &Instance) -> Answer<(u64, DeploymentState)> {
        let newest = sqlx::query(
            "select seq, to_state from state_transitions where instance = $1 order by seq desc limit 1",
        );
        match self.row(newest.bind(instance.to_string())).await? {
            Some(row) => Ok((number(&row, TRANSITIONS, 0)?, named(&row, TRANSITIONS, 1)?)),
            None => Ok((0, DeploymentState::Unknown)),
        }
    }

    pub(super) async fn state(&mut self, instance: &Instance) -> Answer<DeploymentState> {
        self.newest(instance).await.map(|(_, state)| state)
    }

    pub(super) async fn history(&mut self, instance: &Instance) -> Answer<Vec<StateChange>> {
        let all = sqlx::query(
            "select seq, from_state, to_state, at, token, why from state_transitions \
             where instance = $1 order by seq",
        );
        self.rows(all.bind(instance.to_string())).await?.iter().map(state_change).collect()
    }

    pub(super) async fn transition(
        &mut self,
        lease: &Lease,
        expected: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Answer<StateChange> {
        let at = self.check(lease).await?;
        let (seq, from) = self.newest(&lease.instance).await?;
        permit(from, expected, to)
            .map_err(|refused| StoreError::Refused { instance: lease.instance.clone(), refused })?;
        let change = StateChange { seq: seq + 1, from, to, at, token: lease.token, why: why.to_owned() };
        let insert = sqlx::query(
            "insert into state_transitions (instance, seq, from_state, to_state, at, token, why) \
             values ($1, $2, $3, $4, $5, $6, $7)",
        );
        let insert = insert.bind(lease.instance.to_string()).bind(stored(change.seq));
        let insert = insert.bind(from.as_str()).bind(to.as_str()).bind(stored(at.millis()));
        self.execute(insert.bind(stored(lease.token.number())).bind(why)).await?;
        Ok(change)
    }

    pub(super) async fn begin_phase(&mut self, lease: &Lease, phase: Phase) -> Answer<()> {
        let now = self.check(lease).await?;
        let insert = sqlx::query(
            "insert into deployment_steps (instance, seq, phase, began) values \
             ($1, (select coalesce(max(seq), 0) + 1 from deployment_steps where instance = $1), $2, $3)",
        );
        let insert = insert.bind(lease.instance.to_string()).bind(phase.as_str());
        self.execute(insert.bind(stored(now.millis()))).await
    }

    pub(super) async fn end_phase(
        &mut self,
        lease: &Lease,
        phase: Phase,
        failure: Option<&ErrorRecord>,
    ) -> Answer<()> {
        let now = self.check(lease).await?;
        let last = sqlx::query(
            "select phase, began, ended, failure, seq from deployment_steps \
             where instance = $1 order by seq desc limit 1",
        );
        let row = self.row(last.bind(lease.instance.to_string())).await?;
        let last = row.map(|row| Answer::Ok((phase_run(&row)?, number(&row, STEPS, 4)?))).transpose()?;
        let under_way = last.filter(|(run, _)| run.phase == phase && run.ended.is_none());
        let Some((_, seq)) = under_way else {
            return Err(StoreError::NotUnderWay { instance: lease.instance.clone(), phase });
        };
        self.end_run(&lease.instance, seq, now, failure).await
    }

    async fn end_run(
        &mut self,
        instance: &Instance,
        seq: u64,
        now: Stamp,
        failure: Option<&ErrorRecord>,
    ) -> Answer<()> {
        let update = sqlx::query(
            "update deployment_steps set ended = $1, failure = $2 where instance = $3 and seq = $4",
        );
        let update = update.bind(stored(now.millis())).bind(failure.map(json));
        self.execute(update.bind(instance.to_string()).bind(stored(seq))).await
    }

    pub(super) async fn phase_runs(&mut self, instance: &Instance) -> Answer<Vec<PhaseRun>> {
        let all = sqlx::query(
            "select phase, began, ended, failure from deployment_steps where instance = $1 order by seq",
        );
        self.rows(all.bind(instance.to_string())).await?.iter().map(phase_run).collect()
    }

    pub(super) async fn record_error(&mut self, lease: &Lease, error: &ErrorRecord) -> Answer<()> {
        let now = self.check(lease).await?;
        let insert = sqlx::query(
            "insert into orchestration_errors (instance, seq, at, error) values \
             ($1, (select coalesce(max(seq), 0) + 1 from orchestration_errors where instance = $1), $2, $3)",
        );
        let insert = insert.bind(lease.instance.to_string()).bind(stored(now.millis()));
        self.execute(insert.bind(json(error))).await
    }

    pub(super) async fn errors(&mut self, instance: &Instance) -> Answer<Vec<ErrorRecord>> {
        let all = sqlx::query("select error from orchestration_errors where instance = $1 order by seq");
        let rows = self.rows(all.bind(instance.to_string())).await?;
        rows.iter().map(|row| super::transaction::composite(row, "orchestration_errors", 0)).collect()
    }
}
