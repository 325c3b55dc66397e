//! The toolkit's errors as a world tells them: what is wrong, and what to do next.

use harness_core::world::WorldError;

use crate::container::StartError;
use crate::engine::EngineError;
use crate::images::ImageError;
use crate::topology::TopologyError;

pub(super) fn engine_failed(error: EngineError) -> WorldError {
    match error {
        EngineError::Absent { host, why, next } => WorldError::Ground {
            problem: format!("no Docker engine at {host}: {why}"),
            next_step: next.to_owned(),
        },
        error => WorldError::Failed(error.to_string()),
    }
}

pub(super) fn no_image(error: ImageError) -> WorldError {
    match error {
        ImageError::Engine(error) => engine_failed(error),
        error => WorldError::Ground {
            problem: error.to_string(),
            next_step: "make the image's source reachable, or choose another source of images".into(),
        },
    }
}

pub(super) fn no_network(error: TopologyError) -> WorldError {
    match error {
        TopologyError::Engine(error) => engine_failed(error),
        TopologyError::NoSubnet => WorldError::Ground {
            problem: "every /24 of 10.231.0.0/16 is a Docker network already".into(),
            next_step: "remove those in nobody's use: `docker network prune`".into(),
        },
    }
}

pub(super) fn not_started(error: StartError) -> WorldError {
    match error {
        StartError::Engine(error) => engine_failed(error),
        StartError::Ended { service, code, log } => {
            let why = format!("its container ended with exit code {code}");
            WorldError::NotReady { service, why, log: log.into_lines() }
        }
        StartError::NotReady { service, sign, within, log } => {
            let why = format!("it runs, and this did not show within {within:?}: {sign}");
            WorldError::NotReady { service, why, log: log.into_lines() }
        }
        StartError::NoPort { service } => WorldError::Ground {
            problem: format!("no free port on 127.0.0.1 for {service}"),
            next_step: "end other runs, or see who listens with `ss -ltnp`".into(),
        },
        error @ StartError::Refused { .. } => WorldError::Failed(error.to_string()),
    }
}
