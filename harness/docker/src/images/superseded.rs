//! Removal of images that no recipe makes any more: each build of the running executable is one more of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptions};

use crate::engine::{BRIEF, Engine, EngineError};
use crate::labels;

/// How many images of a name are kept, whatever their age.
const KEPT: usize = 3;
/// Somebody else may be about to use what was made less than this ago.
const SETTLED: Duration = Duration::from_secs(600);
const REMOVAL: Duration = Duration::from_secs(120);

/// An image made here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    id: String,
    /// The recipe it was made from.
    recipe: String,
    tagged: bool,
    /// Seconds since 1970.
    created: i64,
}

/// Removes images made here, oldest first, but for the last three of each name and those of the last ten minutes.
/// One that a container uses, or that another stands on, is kept by the engine. Says how many went.
///
/// # Errors
/// When the engine can't list its images.
pub async fn remove_superseded(engine: &Engine) -> Result<usize, EngineError> {
    remove_older(engine, None, SETTLED).await
}

/// Removes those of one recipe, or of all, that are older than `settled`.
pub async fn remove_older(
    engine: &Engine,
    recipe: Option<&str>,
    settled: Duration,
) -> Result<usize, EngineError> {
    let label = recipe.map_or_else(|| labels::RECIPE.to_owned(), |name| format!("{}={name}", labels::RECIPE));
    let filters = std::collections::HashMap::from([("label", vec![label])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let found = engine.ask("list images", BRIEF, engine.docker().list_images(Some(options))).await?;
    let made = found.into_iter().filter_map(|image| {
        // The engine's filter is not taken at its word.
        let recipe = image.labels.get(labels::RECIPE)?.clone();
        let tagged = image.repo_tags.iter().any(|tag| !tag.starts_with("<none>"));
        Some(Made { id: image.id, recipe, tagged, created: image.created })
    });
    let before = jiff::Timestamp::now().as_second() - settled.as_secs().cast_signed();
    let mut removed = 0;
    for old in superseded(made.collect(), before) {
        let call = engine.docker().remove_image(&old, None::<RemoveImageOptions>, None);
        match engine.ask("remove an old image", REMOVAL, call).await {
            Ok(_) => removed += 1,
            Err(kept) => tracing::debug!(image = old, %kept, "still in use"),
        }
    }
    Ok(removed)
}

/// The ids of what may go, oldest first.
fn superseded(mut made: Vec<Made>, before: i64) -> Vec<String> {
    made.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    // One that lost its tag was made again: nobody can name it.
    made.retain(|image| {
        let kept = kept.entry(image.recipe.clone()).or_default();
        let keep = image.tagged && *kept < KEPT;
        *kept += usize::from(keep);
        !keep && image.created < before
    });
    made.into_iter().rev().map(|image| image.id).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made() -> impl Strategy<Value = Vec<Made>> {
        let image = ("[a-c]", any::<bool>(), 0..50_i64);
        prop::collection::vec(image, 0..30).prop_map(|images| {
            let with_id = |(at, (recipe, tagged, created)): (usize, (String, bool, i64))| Made {
                id: format!("{at:02}"),
                recipe,
                tagged,
                created,
            };
            images.into_iter().enumerate().map(with_id).collect()
        })
    }

    proptest! {
        /// The last three of each name and what is young stay; all else goes, oldest first.
        #[test]
        fn the_last_three_of_a_name_stay(images in made(), before in 0..50_i64) {
            let gone = superseded(images.clone(), before);
            let find = |id: &String| images.iter().find(|image| image.id == *id).unwrap();
            prop_assert!(gone.iter().map(|id| find(id).created).is_sorted());
            prop_assert!(gone.iter().all(|id| find(id).created < before));
            for name in ["a", "b", "c"] {
                let of_name = |image: &&Made| image.recipe == name && image.tagged;
                let all = images.iter().filter(of_name).count();
                let went: Vec<_> = gone.iter().map(find).filter(of_name).collect();
                let stayed: Vec<_> = images.iter().filter(of_name).filter(|image| !gone.contains(&image.id)).collect();
                prop_assert!(stayed.len() >= all.min(KEPT));
                let settled = stayed.iter().filter(|image| image.created < before).count();
                prop_assert!(settled <= KEPT, "{settled} settled ones stayed");
                prop_assert!(went.iter().all(|old| stayed.iter().filter(|image| image.created >= old.created).count() >= KEPT));
            }
            for image in images.iter().filter(|image| !image.tagged && image.created < before) {
                prop_assert!(gone.contains(&image.id), "{image:?} can't be named");
            }
        }
    }
}
