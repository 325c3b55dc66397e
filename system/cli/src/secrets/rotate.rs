//! `dive secrets rotate`: which secrets get a newer version. How it is brought to everybody is the engine's.

use std::collections::BTreeSet;

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance, ResourceKind};

use super::{SecretId, SecretName, SecretStore};
use crate::args::Shown;
use crate::complaint::Complaint;
use crate::deployment;
use crate::ended::finish;
use crate::exit::Exit;
use crate::interrupt;
use crate::material::Material;
use crate::out;
use crate::place::Place;
use crate::progress::Progress;

/// The command that goes on with it.
pub(super) fn again(instance: &Instance) -> String {
    let code = match instance {
        Instance::Hub => "hub".to_owned(),
        Instance::Spoke(code) => code.to_string(),
    };
    format!("`dive secrets rotate --instance {code}`")
}

/// Why a secret is left as it is.
fn kept(name: SecretName, why: &str) -> String {
    format!("{} stays as it is: {why}", name.as_str())
}

/// What a rotation brings, and what it leaves.
#[derive(Debug, Default)]
struct Choice {
    newer: Vec<Thing>,
    remarks: Vec<String>,
}

impl Choice {
    /// What can be made newer of `asked`. Beside `spokes`, what they work with stays.
    async fn of(
        material: &Material,
        secrets: &dyn SecretStore,
        instance: &Instance,
        asked: &[SecretName],
        spokes: &BTreeSet<Instance>,
    ) -> Result<Self, Complaint> {
        let mut choice = Self::default();
        for name in asked.iter().copied() {
            let version = material.next_version(name)?;
            let id = SecretId { instance: instance.clone(), name, version };
            if name == SecretName::BlacklistRedis && !spokes.is_empty() {
                let all: Vec<_> = spokes.iter().map(Instance::to_string).collect();
                choice.remarks.push(kept(name, &format!("these work with it: {}", all.join(", "))));
            } else if secrets.is_given()
                && secrets
                    .read(&id)
                    .await?
                    .is_none_or(|given| material.secret(name).is_ok_and(|copy| *copy == *given))
            {
                let why = format!("{} says nothing new", secrets.place(&id));
                choice.remarks.push(kept(name, &why));
            } else {
                let file = material.secret_file(name, version);
                choice.newer.push(Thing::new(ResourceKind::File, file.to_string_lossy()));
            }
        }
        Ok(choice)
    }
}

pub(super) async fn rotate(
    place: &Place,
    secrets: &dyn SecretStore,
    instance: &Instance,
    only: Option<SecretName>,
    shown: Shown,
) -> Result<Exit, Complaint> {
    let (mut engine, _) = deployment::deployed(place, instance).await?;
    let all = SecretName::of(instance);
    if let Some(strange) = only.filter(|name| !all.contains(name)) {
        let told = format!("{instance} has no secret {}", strange.as_str());
        return Err(Complaint::of(
            ErrorCode::Configuration,
            told,
            "`dive secrets list` shows which there are",
        )
        .about(instance));
    }
    let asked = only.map_or(all, |name| vec![name]);
    let mut spokes = BTreeSet::new();
    for other in engine.store.instances().await? {
        if *instance == Instance::Hub
            && other != Instance::Hub
            && engine.store.state(&other).await? != DeploymentState::Unknown
        {
            spokes.insert(other);
        }
    }
    let material = Material::new(&place.home()?, instance);
    let choice = Choice::of(&material, secrets, instance, &asked, &spokes).await?;
    if choice.newer.is_empty() {
        return Err(Complaint::of(
            ErrorCode::SecretInvalid,
            format!("nothing can be rotated: {}", choice.remarks.join("; ")),
            "give other secrets, or remove what works with them; then do it again",
        )
        .about(instance));
    }
    for remark in &choice.remarks {
        out::note(format_args!("{instance}: {remark}"));
    }
    let progress = Progress::begin(instance, shown);
    engine.observer = progress.observer();
    let stop = interrupt::listen()?;
    let ended = engine.rotate(instance, &choice.newer, &stop).await;
    progress.end();
    finish(instance, ended, shown)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::secrets::{Secret, store};

    fn named(choice: &Choice) -> Vec<String> {
        let name = |thing: &Thing| Path::new(&thing.name).file_name().unwrap().to_string_lossy().into_owned();
        choice.newer.iter().map(name).collect()
    }

    #[tokio::test]
    async fn all_get_the_next_version_but_what_spokes_work_with_and_what_the_environment_says_nothing_new_of()
    {
        let home = tempfile::tempdir().unwrap();
        let hub = Instance::Hub;
        let material = Material::new(home.path(), &hub);
        let copy = Secret::made().unwrap();
        for name in SecretName::ALL {
            let id = SecretId { instance: hub.clone(), name, version: 1 };
            material.put_secret(&id, &copy).unwrap();
        }
        let choose = async |environment: Vec<(String, String)>, spokes: &[&str]| {
            let secrets = store(home.path(), environment.into_iter()).unwrap();
            let spokes = spokes.iter().map(|name| name.parse().unwrap()).collect();
            Choice::of(&material, &*secrets, &hub, &SecretName::ALL, &spokes).await.unwrap()
        };
        let choice = choose(Vec::new(), &[]).await;
        assert_eq!((named(&choice).len(), named(&choice)[0].as_str()), (7, "postgres.2"));
        assert!(choice.remarks.is_empty());
        let beside = choose(Vec::new(), &["spoke-fra"]).await;
        assert_eq!(named(&beside).len(), 6);
        assert!(beside.remarks[0].contains("blacklist-redis") && beside.remarks[0].contains("spoke-fra"));
        let other = Secret::made().unwrap();
        let said = [
            ("DIVE_SECRETS", "environment"),
            ("DIVE_SECRET_HUB_REDIS", &other),
            ("DIVE_SECRET_HUB_USERS", &copy),
        ];
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let given = choose(said, &[]).await;
        assert_eq!(named(&given), ["redis.2"]);
        assert_eq!(given.remarks.len(), 6);
        assert!(given.remarks.iter().all(|remark| !remark.contains(&*other) && !remark.contains(&*copy)));
    }
}
