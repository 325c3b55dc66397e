//! A search: every hit is decided like a request to read it, and only what may be read is listed.
//!
//! Nothing of a resource that may not be read is given away, not even its id: the place to go on from is the
//! last resource that was listed. A search of which too many hits may not be read ends before its page is
//! full and says so.

use std::sync::Arc;

use futures_util::future::join_all;

use super::trail::Outcome;
use super::{Ask, Enforcement, NO_METADATA, NO_TRAIL, Trace, Verdict};
use crate::audit::{AUTHORIZATION_DECISION, RESOURCE_ACCESS};
use crate::resources::KnownResource;
use crate::token::VerifiedToken;

/// Hits decided for one request, at most.
const MOST_DECIDED: usize = 500;
/// Hits read from the store at once.
const PAGE: usize = 50;

/// A request to search, as it came in.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) text: &'a str,
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: usize,
    pub(crate) source_ip: Option<&'a str>,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) listed: Vec<Arc<KnownResource>>,
    /// Whether there may be more after the last one listed.
    pub(crate) more: bool,
    /// Whether it was given up because too many hits may not be read.
    pub(crate) cut_short: bool,
}

impl<'a> Search<'a> {
    fn ask(&self, request_id: &'a str, resource_id: &'a str) -> Ask<'a> {
        let Self { token, source_ip, .. } = *self;
        Ask { request_id, token, resource_id, operation: "read", source_ip }
    }
}

/// A hit and what was decided about it.
struct Hit {
    id: String,
    request_id: String,
    trace: Trace,
    verdict: Verdict,
}

impl Enforcement {
    /// Answers one search, or refuses it.
    pub(crate) async fn search(&self, search: &Search<'_>) -> Result<Page, Verdict> {
        let started = self.runtime.now();
        let mut trace = Trace::default();
        let found = self.find(search, &mut trace).await;
        let reason = found.as_ref().map_or_else(Verdict::reason, |_| "allow".into());
        let outcome = Outcome {
            event_type: RESOURCE_ACCESS,
            request_id: search.request_id,
            subject: trace.subject(),
            resource: search.text,
            action: "search",
            allow: found.is_ok(),
            reason: &reason,
        };
        let kept = self.trail.put(&outcome).await;
        let refusal = match (found, kept) {
            (Ok(page), Ok(())) => return Ok(page),
            (Ok(_), Err(_)) => Verdict::Unavailable { reason: NO_TRAIL, retry_after: None },
            (Err(refusal), _) => refusal,
        };
        let ask = Ask { operation: "search", ..search.ask(search.request_id, search.text) };
        self.tell(&ask, &trace, &refusal, started);
        Err(refusal)
    }

    async fn find(&self, search: &Search<'_>, trace: &mut Trace) -> Result<Page, Verdict> {
        let token = self.authenticate(search.token).await?;
        let token = trace.token.insert(token);
        let mut hits: Vec<Hit> = Vec::new();
        let mut page = Page::default();
        let mut readable = 0;
        'pages: loop {
            let after = hits.last().map(|hit| hit.id.as_str()).or(search.after);
            let ids = self.resources.search(search.text, after, PAGE).await;
            let ids = ids.map_err(|unread| Verdict::Unavailable {
                reason: NO_METADATA,
                retry_after: unread.retry_after,
            })?;
            let whole = ids.len() < PAGE;
            for id in ids {
                if readable == search.limit {
                    page.more = true;
                    break 'pages;
                }
                if hits.len() == MOST_DECIDED {
                    page.cut_short = true;
                    break 'pages;
                }
                let hit = self.decide_hit(search, id, hits.len(), token).await?;
                readable += usize::from(hit.verdict.allow());
                hits.push(hit);
            }
            if whole {
                break;
            }
        }
        page.listed = self.keep_hits(search, &hits).await?;
        Ok(page)
    }

    async fn decide_hit(
        &self,
        search: &Search<'_>,
        id: String,
        number: usize,
        token: &Arc<VerifiedToken>,
    ) -> Result<Hit, Verdict> {
        let started = self.runtime.now();
        let request_id = format!("{}.{number}", search.request_id);
        let mut trace = Trace { token: Some(Arc::clone(token)), ..Trace::default() };
        let ask = search.ask(&request_id, &id);
        let verdict = self.judge_resource(&ask, token, &mut trace.question).await;
        if matches!(verdict, Verdict::Unavailable { .. }) {
            return Err(verdict);
        }
        self.tell(&ask, &trace, &verdict, started);
        Ok(Hit { id, request_id, trace, verdict })
    }

    /// The readable ones of `hits`, once all of them are on the trail.
    async fn keep_hits(&self, search: &Search<'_>, hits: &[Hit]) -> Result<Vec<Arc<KnownResource>>, Verdict> {
        // All at once, so that a trail that syncs the disk does so once and not for every hit.
        let kept = join_all(hits.iter().map(|hit| async {
            let ask = search.ask(&hit.request_id, &hit.id);
            self.put(AUTHORIZATION_DECISION, &ask, &hit.trace, &hit.verdict).await
        }));
        if kept.await.iter().any(Result::is_err) {
            return Err(Verdict::Unavailable { reason: NO_TRAIL, retry_after: None });
        }
        let readable = hits.iter().filter_map(|hit| match &hit.verdict {
            Verdict::Decided { decision, resource, .. } if decision.allow() => Some(Arc::clone(resource)),
            _ => None,
        });
        Ok(readable.collect())
    }
}
