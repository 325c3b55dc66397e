//! What must be so before a plan is carried out: it can be, and its images are there.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use harness_core::fault::ServiceName;
use harness_core::world::WorldError;

use super::errors::no_image;
use super::ground::TOXIPROXY;
use super::site::Site;
use super::system::{ContainerPlan, ImageChoice};
use crate::images::Images;

/// That every service is planned once, is no stranger to the others, and that none waits for itself.
pub(super) fn check(plans: &[ContainerPlan], site: &Site) -> Result<(), WorldError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = plans.iter().find(|plan| !names.insert(&plan.name)) {
        return Err(WorldError::Failed(format!("the plan has {} twice", twice.name)));
    }
    if names.contains(&ServiceName::from(TOXIPROXY)) {
        return Err(WorldError::Failed(format!(
            "{TOXIPROXY} is this world's own service: choose another name"
        )));
    }
    let called = site.edges().into_iter().map(|(edge, _)| edge.to);
    let awaited = plans.iter().flat_map(|plan| plan.after.iter().cloned());
    if let Some(stranger) = called.chain(awaited).find(|name| !names.contains(name)) {
        return Err(WorldError::Failed(format!("the plan speaks of {stranger} and doesn't start it")));
    }
    let mut started: BTreeSet<&ServiceName> = BTreeSet::new();
    while started.len() < names.len() {
        let before = started.len();
        started.extend(
            plans
                .iter()
                .filter(|plan| plan.after.iter().all(|name| started.contains(name)))
                .map(|plan| &plan.name)
                .collect::<Vec<_>>(),
        );
        if started.len() == before {
            let left: Vec<_> = names.difference(&started).map(|name| name.0.as_str()).collect();
            return Err(WorldError::Failed(format!("these wait for each other: {}", left.join(", "))));
        }
    }
    Ok(())
}

/// The tag of every service's image, each image had once.
pub(super) async fn ensure(
    plans: &[ContainerPlan],
    images: &Images,
) -> Result<BTreeMap<ServiceName, String>, WorldError> {
    let mut recipes = BTreeMap::new();
    for plan in plans {
        if let ImageChoice::Recipe(recipe) = &plan.image {
            recipes.insert(recipe.name.clone(), recipe);
        }
    }
    let had = join_all(recipes.values().map(|recipe| images.ensure(recipe))).await;
    let mut tags = BTreeMap::new();
    for (name, image) in recipes.keys().zip(had) {
        tags.insert(name, image.map_err(no_image)?.tag);
    }
    let tag = |plan: &ContainerPlan| match &plan.image {
        ImageChoice::Tag(tag) => tag.clone(),
        ImageChoice::Recipe(recipe) => tags.get(&recipe.name).cloned().unwrap_or_default(),
    };
    Ok(plans.iter().map(|plan| (plan.name.clone(), tag(plan))).collect())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use harness_local::clock::Clock;
    use proptest::prelude::*;

    use super::*;

    fn site() -> Site {
        Site::new(Clock::start(1.0).unwrap(), 0, "net", Ipv4Addr::LOCALHOST)
    }

    fn plan(name: &str, after: &[&str]) -> ContainerPlan {
        after.iter().fold(ContainerPlan::new(name, "image:1", 80, "/"), |plan, before| plan.after(before))
    }

    fn refusal(plans: &[ContainerPlan]) -> String {
        check(plans, &site()).unwrap_err().to_string()
    }

    #[test]
    fn a_plan_that_can_never_start_is_refused_before_anything_does() {
        assert!(refusal(&[plan("a", &[]), plan("a", &[])]).contains("a twice"));
        assert!(refusal(&[plan("a", &["b"])]).contains("speaks of b"));
        assert!(refusal(&[plan("toxiproxy", &[])]).contains("choose another name"));
        assert!(refusal(&[plan("a", &["b"]), plan("b", &["a"]), plan("c", &[])]).ends_with("a, b"));
        check(&[plan("a", &["b"]), plan("b", &[])], &site()).unwrap();
        let site = site();
        site.via("a", "nobody").unwrap();
        assert!(check(&[plan("a", &[])], &site).unwrap_err().to_string().contains("speaks of nobody"));
    }

    proptest! {
        #[test]
        fn what_waits_only_for_earlier_ones_starts(awaited in proptest::collection::vec(any::<u8>(), 1..9)) {
            let plans: Vec<_> = awaited.iter().enumerate().map(|(n, mask)| {
                let before: Vec<_> = (0..n).filter(|bit| mask & (1 << bit) != 0).map(|bit| format!("s{bit}")).collect();
                plan(&format!("s{n}"), &before.iter().map(String::as_str).collect::<Vec<_>>())
            }).rev().collect();
            prop_assert!(check(&plans, &site()).is_ok());
        }
    }
}
