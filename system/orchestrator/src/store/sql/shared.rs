//! What all deployments share: breakers, port slots, start times, links, the audit.

use std::time::Duration;

use sqlx::any::AnyRow;

use super::failure::unreadable;
use super::transaction::{Transaction, composite, json, named, number, stamp, stored, value};
use crate::store::{Answer, AuditEntry, Lease, Link, ServiceStart, StoreError};
use crate::{Admission, BreakerRow, Holder, Instance, InstanceCode, Operation, Outcome, Service, Slot};

const BREAKERS: &str = "circuit_breakers";
const SLOTS: &str = "port_slots";
const METRICS: &str = "orchestration_metrics";
const LINKS: &str = "federation_links";
const AUDIT: &str = "audit";

fn breaker(row: &AnyRow) -> Answer<BreakerRow> {
    let failures = number(row, BREAKERS, 2)?;
    Ok(BreakerRow {
        operation: named(row, BREAKERS, 0)?,
        state: composite(row, BREAKERS, 1)?,
        failures: u32::try_from(failures).map_err(|error| unreadable(BREAKERS, error))?,
        generation: number(row, BREAKERS, 3)?,
    })
}

impl Transaction<'_> {
    /// The breaker of an operation, locked until the transaction ends.
    async fn breaker(&mut self, operation: Operation) -> Answer<BreakerRow> {
        let closed = BreakerRow::new(operation);
        let insert = sqlx::query(
            "insert into circuit_breakers (operation, state, failures, generation) values ($1, $2, 0, 0) \
             on conflict do nothing",
        );
        self.execute(insert.bind(operation.as_str()).bind(json(&closed.state))).await?;
        let select = format!(
            "select operation, state, failures, generation from circuit_breakers where operation = $1{}",
            self.dialect().for_update()
        );
        let row = self.row(sqlx::query(&select).bind(operation.as_str())).await?;
        row.map_or(Ok(closed), |row| breaker(&row))
    }

    async fn save_breaker(&mut self, row: &BreakerRow) -> Answer<()> {
        let update = sqlx::query(
            "update circuit_breakers set state = $1, failures = $2, generation = $3 where operation = $4",
        );
        let update = update.bind(json(&row.state)).bind(i64::from(row.failures));
        self.execute(update.bind(stored(row.generation)).bind(row.operation.as_str())).await
    }

    pub(super) async fn admit(&mut self, operation: Operation) -> Answer<Admission> {
        let mut row = self.breaker(operation).await?;
        let now = self.now().await?;
        let admitted = row.admit(now);
        self.save_breaker(&row).await?;
        admitted.map_err(|open| StoreError::BreakerOpen { operation, retry_after: open.0 })
    }

    pub(super) async fn settle(&mut self, admission: Admission, outcome: Outcome) -> Answer<()> {
        let mut row = self.breaker(admission.operation).await?;
        let now = self.now().await?;
        row.settle(now, admission, outcome);
        self.save_breaker(&row).await
    }

    pub(super) async fn reset_breaker(&mut self, operation: Operation) -> Answer<()> {
        let mut row = self.breaker(operation).await?;
        row.reset();
        self.save_breaker(&row).await
    }

    pub(super) async fn breakers(&mut self) -> Answer<Vec<BreakerRow>> {
        let all = sqlx::query("select operation, state, failures, generation from circuit_breakers");
        let rows = self.rows(all).await?;
        let tried = rows.iter().map(breaker).collect::<Answer<Vec<_>>>()?;
        let row = |operation| tried.iter().find(|row| row.operation == operation).cloned();
        Ok(Operation::ALL.map(|op| row(op).unwrap_or_else(|| BreakerRow::new(op))).to_vec())
    }

    pub(super) async fn claim_slot(&mut self, code: &InstanceCode) -> Answer<Slot> {
        if let Some(lock) = self.dialect().lock_slots() {
            self.execute(sqlx::query(lock)).await?;
        }
        let given = self.slots().await?;
        if let Some((_, slot)) = given.iter().find(|(known, _)| known == code) {
            return Ok(*slot);
        }
        let slot = Slot::claim(code, |slot| given.iter().any(|(_, taken)| *taken == slot))?;
        let insert = sqlx::query("insert into port_slots (code, slot) values ($1, $2)");
        self.execute(insert.bind(code.as_str()).bind(i64::from(slot.offset()))).await?;
        Ok(slot)
    }

    pub(super) async fn slots(&mut self) -> Answer<Vec<(InstanceCode, Slot)>> {
        let rows = self.rows(sqlx::query("select code, slot from port_slots")).await?;
        let slot = |row| {
            let offset = u16::try_from(number(row, SLOTS, 1)?).map_err(|error| unreadable(SLOTS, error))?;
            let slot = Slot::try_from(offset).map_err(|error| unreadable(SLOTS, error))?;
            Ok((named(row, SLOTS, 0)?, slot))
        };
        let mut slots = rows.iter().map(slot).collect::<Answer<Vec<_>>>()?;
        slots.sort();
        Ok(slots)
    }

    pub(super) async fn record_start(
        &mut self,
        of: &Instance,
        service: Service,
        took: Duration,
    ) -> Answer<()> {
        let now = self.now().await?;
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let insert = sqlx::query(
            "insert into orchestration_metrics (instance, service, at, took_ns) values ($1, $2, $3, $4)",
        );
        let insert = insert.bind(of.to_string()).bind(service.to_string());
        self.execute(insert.bind(stored(now.millis())).bind(stored(took))).await
    }

    pub(super) async fn starts(&mut self, of: &Instance) -> Answer<Vec<ServiceStart>> {
        let its = sqlx::query(
            "select service, at, took_ns from orchestration_metrics where instance = $1 order by id",
        );
        let rows = self.rows(its.bind(of.to_string())).await?;
        let start = |row| {
            let (service, healthy) = (named(row, METRICS, 0)?, stamp(row, METRICS, 1)?);
            Ok(ServiceStart { service, healthy, took: Duration::from_nanos(number(row, METRICS, 2)?) })
        };
        rows.iter().map(start).collect()
    }

    pub(super) async fn start_times(&mut self, service: Service, since: Duration) -> Answer<Vec<Duration>> {
        let now = self.now().await?;
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let recent = sqlx::query(
            "select took_ns from orchestration_metrics where service = $1 and at >= $2 order by id",
        );
        let recent = recent.bind(service.to_string()).bind(stored(now.millis().saturating_sub(since)));
        let rows = self.rows(recent).await?;
        rows.iter().map(|row| number(row, METRICS, 0).map(Duration::from_nanos)).collect()
    }

    pub(super) async fn save_link(&mut self, lease: &Lease, to: &Instance, verified: bool) -> Answer<()> {
        let now = self.check(lease).await?;
        let save = sqlx::query(
            "insert into federation_links (from_instance, to_instance, verified, at) values ($1, $2, $3, $4) \
             on conflict (from_instance, to_instance) do update set verified = excluded.verified, at = excluded.at",
        );
        let save = save.bind(lease.instance.to_string()).bind(to.to_string());
        self.execute(save.bind(i64::from(verified)).bind(stored(now.millis()))).await
    }

    pub(super) async fn links(&mut self) -> Answer<Vec<Link>> {
        let all = sqlx::query("select from_instance, to_instance, verified, at from federation_links");
        let rows = self.rows(all).await?;
        let link = |row| {
            Ok(Link {
                from: named(row, LINKS, 0)?,
                to: named(row, LINKS, 1)?,
                verified: number(row, LINKS, 2)? != 0,
                at: stamp(row, LINKS, 3)?,
            })
        };
        let mut links = rows.iter().map(link).collect::<Answer<Vec<Link>>>()?;
        links.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        Ok(links)
    }

    pub(super) async fn audit(&mut self, by: &Holder, action: &str) -> Answer<()> {
        let now = self.now().await?;
        let insert = sqlx::query("insert into audit (host, pid, action, at) values ($1, $2, $3, $4)");
        let insert = insert.bind(&by.host).bind(i64::from(by.pid)).bind(action);
        self.execute(insert.bind(stored(now.millis()))).await
    }

    pub(super) async fn audit_trail(&mut self) -> Answer<Vec<AuditEntry>> {
        let rows = self.rows(sqlx::query("select host, pid, action, at from audit order by id")).await?;
        let entry = |row| {
            let pid = u32::try_from(number(row, AUDIT, 1)?).map_err(|error| unreadable(AUDIT, error))?;
            let by = Holder { host: value(row, AUDIT, 0)?, pid };
            Ok(AuditEntry { by, action: value(row, AUDIT, 2)?, at: stamp(row, AUDIT, 3)? })
        };
        rows.iter().map(entry).collect()
    }
}
