//! Which bars there are, from when and how long.

use std::cmp::Reverse;
use std::time::Duration;

use dive_orchestrator::store::{PhaseRun, ServiceStart};
use dive_orchestrator::{Instance, Phase, Stamp};

/// How a bar ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Failed,
    /// It is under way, or was interrupted.
    Open,
}

/// A phase, or a service from its start until it was healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) name: &'static str,
    pub(super) is_service: bool,
    /// From the chart's beginning.
    pub(super) from: Duration,
    pub(super) took: Duration,
    pub(super) end: End,
}

/// One deployment: all runs of phases since PREFLIGHT was last begun, and the services that came up meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) instance: Instance,
    pub(super) began: Stamp,
    /// When the last of it ended that did.
    pub(super) ended: Stamp,
    runs: Vec<PhaseRun>,
    starts: Vec<ServiceStart>,
}

impl Deployment {
    /// An instance's last; `None` when there was none.
    pub(super) fn last(instance: Instance, runs: &[PhaseRun], starts: &[ServiceStart]) -> Option<Self> {
        let first = runs.iter().rposition(|run| run.phase == Phase::Preflight).unwrap_or_default();
        let runs = runs.get(first..)?.to_vec();
        let began = runs.first()?.began;
        let starts: Vec<_> = starts.iter().filter(|start| start.began() >= began).cloned().collect();
        let phases = runs.iter().map(|run| run.ended.unwrap_or(run.began));
        let ended = phases.chain(starts.iter().map(|start| start.healthy)).max()?;
        Some(Self { instance, began, ended, runs, starts })
    }
}

/// Deployments to one scale.
#[derive(Clone, Debug, Default)]
pub(super) struct Chart {
    pub(super) deployments: Vec<Deployment>,
    pub(super) began: Stamp,
    pub(super) length: Duration,
}

impl Chart {
    /// The newest of these, and those that were at work together with it, or with one that was.
    pub(super) fn of_the_newest(mut all: Vec<Deployment>) -> Self {
        all.sort_by_key(|deployment| Reverse(deployment.ended));
        let Some(newest) = all.first() else { return Self::default() };
        let (mut began, ended) = (newest.began, newest.ended);
        let mut deployments = Vec::new();
        for deployment in all {
            if deployment.ended >= began {
                began = began.min(deployment.began);
                deployments.push(deployment);
            }
        }
        deployments.sort_by(|a, b| (a.began, &a.instance).cmp(&(b.began, &b.instance)));
        Self { deployments, began, length: ended.saturating_since(began) }
    }

    /// The bars of one, in the order in which they began; a phase before its services.
    pub(super) fn bars(&self, of: &Deployment) -> Vec<Bar> {
        let phases = of.runs.iter().map(|run| Bar {
            name: run.phase.as_str(),
            is_service: false,
            from: run.began.saturating_since(self.began),
            took: run.ended.map_or(Duration::ZERO, |ended| ended.saturating_since(run.began)),
            end: match (run.ended, &run.failure) {
                (None, _) => End::Open,
                (Some(_), None) => End::Done,
                (Some(_), Some(_)) => End::Failed,
            },
        });
        let services = of.starts.iter().map(|start| Bar {
            name: start.service.as_str(),
            is_service: true,
            from: start.began().saturating_since(self.began),
            took: start.took,
            end: End::Done,
        });
        let mut bars: Vec<_> = phases.chain(services).collect();
        bars.sort_by_key(|bar| (bar.from, bar.is_service, Reverse(bar.took)));
        bars
    }

    /// The instants to name on the scale, from its beginning: four to eight of them, round ones.
    pub(super) fn ticks(&self) -> Vec<Duration> {
        let steps = [1, 2, 5].iter().flat_map(|first| (0..6).map(move |power| first * 10_u64.pow(power)));
        let mut steps: Vec<_> = steps.map(|tenths| Duration::from_millis(100 * tenths)).collect();
        steps.sort_unstable();
        let step = steps.into_iter().find(|step| *step * 8 >= self.length).unwrap_or(self.length);
        (0..=8).map(|at| step * at).take_while(|at| *at <= self.length).collect()
    }

    /// A span as a share of the whole, from 0 to 1.
    pub(super) fn share(&self, span: Duration) -> f64 {
        if self.length.is_zero() { 0.0 } else { span.div_duration_f64(self.length).min(1.0) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use dive_orchestrator::store::ErrorRecord;
    use dive_orchestrator::{ErrorCode, Service};
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Stamp {
        Stamp::from_millis(1_700_000_000_000 + millis)
    }

    fn run(phase: Phase, from: u64, to: Option<u64>) -> PhaseRun {
        PhaseRun { phase, began: at(from), ended: to.map(at), failure: None }
    }

    fn failed(phase: Phase, from: u64, to: u64) -> PhaseRun {
        let failure = ErrorRecord { code: ErrorCode::Network, message: String::new(), recovered: false };
        PhaseRun { failure: Some(failure), ..run(phase, from, Some(to)) }
    }

    fn start(service: Service, from: u64, to: u64) -> ServiceStart {
        ServiceStart { service, healthy: at(to), took: Duration::from_millis(to - from) }
    }

    fn deployment(code: &str, runs: &[PhaseRun], starts: &[ServiceStart]) -> Deployment {
        let instance = if code == "hub" { Instance::Hub } else { Instance::Spoke(code.parse().unwrap()) };
        Deployment::last(instance, runs, starts).unwrap()
    }

    /// A hub, a spoke that waited for it, and one that failed half way.
    pub(in crate::waterfall) fn three() -> Chart {
        use Phase as P;
        let hub = [
            run(P::Preflight, 0, Some(90)),
            run(P::Initialization, 100, Some(140)),
            run(P::Deployment, 150, Some(21_500)),
            run(P::Configuration, 21_510, Some(22_900)),
            run(P::Seeding, 22_910, Some(24_600)),
            run(P::Verification, 24_610, Some(25_300)),
        ];
        let services = [
            start(Service::Opa, 400, 900),
            start(Service::Postgres, 420, 5_000),
            start(Service::Keycloak, 5_300, 19_100),
            start(Service::Backend, 19_500, 20_000),
            start(Service::Kas, 20_800, 21_400),
        ];
        let fra = [
            run(P::Preflight, 700, Some(800)),
            run(P::Initialization, 810, Some(850)),
            run(P::Deployment, 860, Some(28_000)),
            run(P::Configuration, 28_010, None),
        ];
        let gbr = [run(P::Preflight, 710, Some(800)), failed(P::Deployment, 860, 9_000)];
        Chart::of_the_newest(vec![
            deployment("fra", &fra, &[start(Service::Keycloak, 6_000, 24_000)]),
            deployment("gbr", &gbr, &[]),
            deployment("hub", &hub, &services),
        ])
    }

    /// A spoke that failed, so many milliseconds after it began, which is where the chart ends.
    pub(in crate::waterfall) fn failed_after(millis: u64) -> Chart {
        Chart::of_the_newest(vec![deployment("gbr", &[failed(Phase::Preflight, 0, millis)], &[])])
    }

    #[test]
    fn only_the_last_deployment_is_shown_and_only_what_ran_together_with_it() {
        let twice = [
            run(Phase::Preflight, 0, Some(50)),
            run(Phase::Deployment, 60, Some(900)),
            run(Phase::Preflight, 5_000, Some(5_050)),
            run(Phase::Deployment, 5_060, Some(5_900)),
        ];
        let starts = [start(Service::Redis, 70, 90), start(Service::Redis, 5_070, 5_090)];
        let newest = deployment("fra", &twice, &starts);
        let before = deployment("deu", &[run(Phase::Preflight, 0, Some(4_999))], &[]);
        let beside = deployment("hub", &[run(Phase::Preflight, 4_000, Some(5_500))], &[]);
        let chart = Chart::of_the_newest(vec![before.clone(), newest.clone()]);
        assert_eq!((chart.began, chart.length), (at(5_000), Duration::from_millis(900)));
        let names = |chart: &Chart, at: usize| {
            chart.bars(&chart.deployments[at]).iter().map(|bar| bar.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&chart, 0), ["PREFLIGHT", "DEPLOYMENT", "redis"]);
        assert_eq!(chart.deployments.len(), 1);
        // The one beside reaches back to the one before.
        let chart = Chart::of_the_newest(vec![before, beside, newest]);
        assert_eq!((chart.began, chart.deployments.len()), (at(0), 3));
        assert!(Chart::of_the_newest(Vec::new()).ticks().len() <= 1);
    }

    proptest! {
        #[test]
        fn a_scale_of_any_length_has_few_round_ticks_and_none_beyond_its_end(millis in 1u64..40_000_000) {
            let chart = Chart { length: Duration::from_millis(millis), ..Chart::default() };
            let ticks = chart.ticks();
            prop_assert!(ticks.len() <= 9, "{ticks:?}");
            prop_assert!(ticks.len() >= 4 || millis < 400, "{ticks:?}");
            prop_assert!(ticks[0].is_zero() && ticks.iter().all(|tick| *tick <= chart.length));
        }
    }
}
