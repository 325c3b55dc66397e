//! How long a decision may be served again.

use std::time::Duration;

use crate::classification::Classification;
use crate::input::Resource;

/// Time to live of a cached decision, by the classification of the resource. Zero means never cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// Default 120 s.
    pub unclassified: Duration,
    /// Default 90 s.
    pub restricted: Duration,
    /// Default 60 s.
    pub confidential: Duration,
    /// Default 30 s.
    pub secret: Duration,
    /// Default 15 s.
    pub top_secret: Duration,
}

impl Default for Ttl {
    fn default() -> Self {
        Self {
            unclassified: Duration::from_mins(2),
            restricted: Duration::from_secs(90),
            confidential: Duration::from_mins(1),
            secret: Duration::from_secs(30),
            top_secret: Duration::from_secs(15),
        }
    }
}

impl Ttl {
    /// The time to live at a level.
    pub const fn at(&self, level: Classification) -> Duration {
        match level {
            Classification::Unclassified => self.unclassified,
            Classification::Restricted => self.restricted,
            Classification::Confidential => self.confidential,
            Classification::Secret => self.secret,
            Classification::TopSecret => self.top_secret,
        }
    }

    /// The time to live of a decision about `resource`.
    ///
    /// A national marking can raise the level, and only the policy can read it; so a resource that bears
    /// one, or whose classification is no canonical level, gets the shortest time that could be right.
    pub fn of(&self, resource: &Resource) -> Duration {
        let least = resource.classification.as_deref().and_then(|term| term.parse().ok());
        let marked = resource.original_classification.is_some() || resource.original_country.is_some();
        match least {
            Some(level) if !marked => self.at(level),
            least => Classification::ALL
                .into_iter()
                .filter(|level| least.is_none_or(|least| *level >= least))
                .map(|level| self.at(level))
                .min()
                .unwrap_or(Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(term: Option<&str>) -> Resource {
        Resource { classification: term.map(str::to_owned), ..Resource::default() }
    }

    #[test]
    fn defaults_shrink_with_the_level() {
        let seconds: Vec<u64> = Classification::ALL
            .into_iter()
            .map(|level| Ttl::default().of(&classified(Some(level.as_str()))).as_secs())
            .collect();
        assert_eq!(seconds, [120, 90, 60, 30, 15]);
    }

    #[test]
    fn what_only_the_policy_can_read_gets_the_shortest_time() {
        let ttl = Ttl::default();
        assert_eq!(ttl.of(&classified(None)).as_secs(), 15);
        assert_eq!(ttl.of(&classified(Some("secret"))).as_secs(), 15);
        let mut marked = classified(Some("UNCLASSIFIED"));
        marked.original_classification = Some("GEHEIM".to_owned());
        marked.original_country = Some("DEU".to_owned());
        assert_eq!(ttl.of(&marked).as_secs(), 15);
    }

    #[test]
    fn a_marking_never_lengthens_the_time() {
        let ttl = Ttl { top_secret: Duration::from_secs(500), ..Ttl::default() };
        let mut marked = classified(Some("SECRET"));
        marked.original_country = Some("DEU".to_owned());
        assert_eq!(ttl.of(&marked).as_secs(), 30);
    }
}
