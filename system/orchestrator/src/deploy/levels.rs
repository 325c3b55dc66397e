//! In which order the services of a site come up, by what its platform says they need.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use super::moves::{Trouble, Work};
use super::{Failure, Subject};
use crate::levels::{NoOrder, levels};
use crate::{ErrorCode, Operation, Service};

impl From<NoOrder<Service>> for Failure {
    fn from(none: NoOrder<Service>) -> Self {
        let code = match none {
            NoOrder::Cycle(_) => ErrorCode::DependencyCycle,
            NoOrder::Missing { .. } => ErrorCode::Dependency,
        };
        Self::new(code, none.to_string())
    }
}

impl Work<'_> {
    /// The levels of all services.
    pub(super) async fn levels(&self) -> Result<Vec<Vec<Service>>, Trouble> {
        let (work, subject) = (*self, Subject::Check("the order of the services".to_owned()));
        let sort = move |_| -> BoxFuture<'_, _> {
            Box::pin(async move {
                let services: BTreeSet<_> = work.engine.platform.services(work.site).into_iter().collect();
                let needs = work.look(work.engine.platform.needs(work.site)).await?;
                let order = levels(&services, |service| needs.get(service).cloned().unwrap_or_default());
                order.map_err(|none| Trouble::Failed(none.into()))
            })
        };
        let sorted = self.attempt(Operation::Containers, &subject, sort).await?;
        sorted.ok_or_else(|| {
            let detail = "it can't be told in which order the services come up";
            Trouble::Failed(Failure::new(ErrorCode::Dependency, detail))
        })
    }
}
