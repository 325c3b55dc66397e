//! Who may write.

use super::transaction::{Transaction, json, number, optional, stored};
use crate::store::{Answer, Lease, StoreError};
use crate::{Held, Holder, Instance, LockRow, Stamp, Taken};

const TABLE: &str = "deployment_locks";

impl Transaction<'_> {
    /// The lock of an instance, locked until the transaction ends, and free if its holder's session has ended.
    async fn lock_row(&mut self, instance: &Instance) -> Answer<LockRow> {
        let name = instance.to_string();
        let insert =
            sqlx::query("insert into deployment_locks (instance) values ($1) on conflict do nothing");
        self.execute(insert.bind(&name)).await?;
        let row = self.read_lock(&name, self.dialect().for_update()).await?;
        Ok(row.unwrap_or_default())
    }

    async fn read_lock(&mut self, name: &str, suffix: &str) -> Answer<Option<LockRow>> {
        let select = format!("select issued, held from deployment_locks where instance = $1{suffix}");
        let Some(row) = self.row(sqlx::query(&select).bind(name)).await? else { return Ok(None) };
        let mut lock = LockRow { issued: number(&row, TABLE, 0)?, held: optional(&row, TABLE, 1)? };
        if let Some(session) = lock.held.as_ref().map(|held| held.session)
            && !self.is_alive(session).await?
        {
            lock.session_ended(session);
        }
        Ok(Some(lock))
    }

    async fn save_lock(&mut self, instance: &Instance, lock: &LockRow) -> Answer<()> {
        let update = sqlx::query("update deployment_locks set issued = $1, held = $2 where instance = $3");
        let held = lock.held.as_ref().map(json);
        self.execute(update.bind(stored(lock.issued)).bind(held).bind(instance.to_string())).await
    }

    /// Keeps all others from writing for the lease's instance until the transaction ends, if the lease is the
    /// live one; and tells the time.
    pub(super) async fn check(&mut self, lease: &Lease) -> Answer<Stamp> {
        let lock = self.lock_row(&lease.instance).await?;
        let now = self.now().await?;
        lock.check(now, lease.token).map_err(|lost| StoreError::lost(&lease.instance, lost))?;
        Ok(now)
    }

    pub(super) async fn acquire(&mut self, instance: &Instance, by: &Holder) -> Answer<Lease> {
        let Some(session) = self.session() else {
            return Err(StoreError::Unavailable { why: "the connection was lost".to_owned() });
        };
        let mut lock = self.lock_row(instance).await?;
        let now = self.now().await?;
        let acquired = lock.acquire(now, session, by.clone());
        self.save_lock(instance, &lock).await?;
        match acquired {
            Ok(Taken { token, after }) => Ok(Lease { instance: instance.clone(), token, after }),
            Err(contended) => Err(StoreError::contended(instance, contended)),
        }
    }

    pub(super) async fn renew(&mut self, lease: &Lease) -> Answer<()> {
        let mut lock = self.lock_row(&lease.instance).await?;
        let now = self.now().await?;
        lock.renew(now, lease.token).map_err(|lost| StoreError::lost(&lease.instance, lost))?;
        self.save_lock(&lease.instance, &lock).await
    }

    pub(super) async fn release(&mut self, lease: &Lease) -> Answer<()> {
        let mut lock = self.lock_row(&lease.instance).await?;
        lock.release(lease.token);
        self.save_lock(&lease.instance, &lock).await
    }

    pub(super) async fn leave(&mut self, lease: &Lease) -> Answer<()> {
        let mut lock = self.lock_row(&lease.instance).await?;
        lock.leave(lease.token);
        self.save_lock(&lease.instance, &lock).await
    }

    pub(super) async fn holder(&mut self, instance: &Instance) -> Answer<Option<Held>> {
        let lock = self.read_lock(&instance.to_string(), "").await?.unwrap_or_default();
        Ok(lock.live(self.now().await?).cloned())
    }

    pub(super) async fn instances(&mut self) -> Answer<Vec<Instance>> {
        let rows = self.rows(sqlx::query("select instance from deployment_locks")).await?;
        let names = rows.iter().map(|row| super::transaction::named(row, TABLE, 0));
        let mut instances = names.collect::<Answer<Vec<Instance>>>()?;
        // Not by the database: its order of texts depends on its locale.
        instances.sort();
        Ok(instances)
    }
}
