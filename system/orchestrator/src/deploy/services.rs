//! Bringing services up: level by level, those of a level at once, each up its ladder in its time.

use std::collections::BTreeSet;
use std::time::Duration;

use dive_runtime::Monotonic;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::attempt::Try;
use super::moves::{Trouble, Work};
use super::{Event, Failure, Holding, Interrupted, Order, Subject};
use crate::ladder::{Rung, rungs};
use crate::levels::{self, Next};
use crate::timeouts::{StartTimeout, WINDOW, start_timeout};
use crate::{ErrorCode, Operation, Phase, Service};

/// How often a service that comes up is looked at.
pub const POLL: Duration = Duration::from_millis(500);

/// How long one rung may take to answer.
const RUNG_LIMIT: Duration = Duration::from_secs(10);

/// How many of a failed service's last lines are in the error.
const LINES: usize = 5;

/// Where a climb ended.
struct Climbed {
    /// The lowest rung that doesn't hold, and why; `None` when all hold.
    stuck: Option<(Rung, String)>,
}

impl Work<'_> {
    /// Brings up all services.
    pub(super) async fn bring_up(&self) -> Result<(), Trouble> {
        let mut levels = self.levels().await?;
        if self.engine.order == Order::Serial {
            levels = levels.concat().into_iter().map(|service| vec![service]).collect();
        }
        // A failure stops the others of its level at their next wait: what they make is made to its end.
        let halt = self.stop.child_token();
        let work = self.until(&halt);
        let (mut started, mut healthy, mut failed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut failures: Vec<(Service, Failure)> = Vec::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            match levels::next(&levels, &started, &healthy, &failed) {
                Next::Start(due) => {
                    let level = levels.iter().position(|level| level.contains(&due[0])).unwrap_or_default();
                    self.tell(&Event::Level { level, services: due.clone() });
                    started.extend(due.iter().copied());
                    under_way.extend(
                        due.into_iter()
                            .map(|service| async move { (service, work.service_up(service).await) }),
                    );
                    continue;
                }
                Next::Done => return Ok(()),
                Next::Wait => {}
                Next::Stop(_) => halt.cancel(),
            }
            let Some((service, ended)) = under_way.next().await else {
                return Err(if self.stop.is_cancelled() {
                    self.cancelled()
                } else {
                    did_not_come_up(failures)
                });
            };
            match ended {
                Ok(()) => {
                    healthy.insert(service);
                }
                Err(Trouble::Failed(failure)) => {
                    failed.insert(service);
                    failures.push((service, failure));
                }
                Err(Trouble::Interrupted(Interrupted::Cancelled { .. })) => {
                    failed.insert(service);
                }
                Err(interrupted) => return Err(interrupted),
            }
        }
    }

    /// Makes, starts and awaits one service.
    async fn service_up(&self, service: Service) -> Result<(), Trouble> {
        self.hub_is_up_for(service).await?;
        for thing in self.engine.platform.parts(self.site, service) {
            self.make(Operation::Containers, Phase::Deployment, &thing).await?;
        }
        let work = *self;
        let subject = Subject::Service(service);
        let store = &self.engine.store;
        let timeout = start_timeout(service, &store.start_times(service, WINDOW).await?);
        let ran = match self.ask(service, Rung::Exists).await {
            Ok(holds) => holds.is_ok(),
            // It can't be told, so nothing can be learnt.
            Err(Trouble::Failed(_)) => true,
            Err(interrupted) => return Err(interrupted),
        };
        let start = move |_| -> BoxFuture<'_, _> {
            Box::pin(async move { work.change(work.engine.platform.start(work.site, service)).await })
        };
        must(self.attempt(Operation::Containers, &subject, start).await?, service)?;
        self.tell(&Event::Started { service, timeout });
        let began = self.engine.runtime.now();
        let climb = move |attempt: Try| -> BoxFuture<'_, _> {
            Box::pin(async move { work.healthy_in_time(service, timeout, attempt).await })
        };
        let first_time = must(self.attempt(Operation::Health, &subject, climb).await?, service)?;
        let took = self.engine.runtime.now().saturating_since(began);
        self.tell(&Event::Healthy { service, took });
        // Only a start from nothing, undisturbed, tells how long starting takes.
        if !ran && first_time {
            store.record_start(&self.site.instance, service, took).await?;
        }
        Ok(())
    }

    /// Waits until every rung holds, for the service's whole time in a fresh try, else looks once. True when it
    /// was a fresh try that ended well.
    async fn healthy_in_time(
        &self,
        service: Service,
        timeout: StartTimeout,
        Try { is_fresh }: Try,
    ) -> Result<bool, Trouble> {
        let began = self.engine.runtime.now();
        let deadline = if is_fresh { began + timeout.limit } else { began };
        let mut seen = None;
        loop {
            let Climbed { stuck } = self.climb(service).await?;
            let Some((rung, why)) = stuck else { return Ok(is_fresh) };
            let now = self.engine.runtime.now();
            if now >= deadline {
                let detail = format!("not healthy within {} s: {rung}: {why}", timeout.limit.as_secs());
                let failure = Failure::new(ErrorCode::ContainerTimeout, detail);
                return Err(Trouble::Failed(self.with_last_lines(service, failure).await?));
            }
            if seen != Some(rung) {
                self.tell(&Event::Waits { service, rung, why });
                seen = Some(rung);
            }
            self.wait(POLL.min(left(deadline, now))).await?;
        }
    }

    /// Asks rung after rung, and no further than the first that doesn't hold.
    async fn climb(&self, service: Service) -> Result<Climbed, Trouble> {
        for rung in rungs(service) {
            if *rung == Rung::Functional
                && let Err(why) = self.renewed(service).await?
            {
                return Ok(Climbed { stuck: Some((*rung, why)) });
            }
            match self.ask(service, *rung).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Ok(Climbed { stuck: Some((*rung, why)) }),
                Err(Trouble::Failed(failure)) => {
                    return Err(Trouble::Failed(self.with_last_lines(service, failure).await?));
                }
                Err(interrupted) => return Err(interrupted),
            }
        }
        Ok(Climbed { stuck: None })
    }

    /// Asks one rung; the inner error says why it doesn't hold. A rung that doesn't answer doesn't hold.
    async fn ask(&self, service: Service, rung: Rung) -> Result<Result<(), String>, Trouble> {
        let asked = self.engine.platform.rung(self.site, service, rung);
        let limited = async {
            let answer = self.engine.runtime.timeout(RUNG_LIMIT, asked).await;
            answer.unwrap_or_else(|elapsed| Ok(Holding::NotYet(elapsed.to_string())))
        };
        Ok(match self.look(limited).await? {
            Holding::Yes => Ok(()),
            Holding::NotYet(why) => Err(why),
        })
    }

    async fn with_last_lines(&self, service: Service, mut failure: Failure) -> Result<Failure, Trouble> {
        match self.look(self.engine.platform.log_tail(self.site, service, LINES)).await {
            Ok(lines) if !lines.is_empty() => {
                failure.detail = format!("{}; its last lines: {}", failure.detail, lines.join(" | "));
                Ok(failure)
            }
            Ok(_) | Err(Trouble::Failed(_)) => Ok(failure),
            Err(interrupted) => Err(interrupted),
        }
    }

    /// A service that was healthy still is.
    pub(super) async fn still_healthy(&self, service: Service) -> Result<(), Trouble> {
        let work = *self;
        let look = move |_| -> BoxFuture<'_, _> {
            Box::pin(async move {
                let Climbed { stuck } = work.climb(service).await?;
                let Some((rung, why)) = stuck else { return Ok(()) };
                let failure = Failure::new(ErrorCode::VerifyHealth, format!("{service}: {rung}: {why}"));
                Err(Trouble::Failed(work.with_last_lines(service, failure).await?))
            })
        };
        let healthy = self.attempt(Operation::Verification, &Subject::Service(service), look).await?;
        must(healthy, service)
    }
}

/// There is no going on without a service.
fn must<T>(done: Option<T>, service: Service) -> Result<T, Trouble> {
    done.ok_or_else(|| Trouble::Failed(Failure::new(ErrorCode::GroupStart, format!("{service} is not up"))))
}

fn left(deadline: Monotonic, now: Monotonic) -> Duration {
    deadline.saturating_since(now)
}

/// The failure of a level: that of its one service, or that of all.
fn did_not_come_up(mut failures: Vec<(Service, Failure)>) -> Trouble {
    if failures.len() == 1
        && let Some((service, failure)) = failures.pop()
    {
        return Trouble::Failed(Failure::new(failure.code, format!("{service}: {}", failure.detail)));
    }
    let all: Vec<_> = failures.iter().map(|(service, failure)| format!("{service}: {failure}")).collect();
    Trouble::Failed(Failure::new(ErrorCode::GroupStart, all.join("; ")))
}
