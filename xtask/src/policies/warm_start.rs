//! Where the item vectors of trackers start: with the user model, with a collaborative-filtering model, or anywhere.

use rand::RngExt;
use rec_core::{Interactions, ItemId, Split, UserId, random};
use rl_env::Source;
use rl_env::tracker::ItemVectors;

use crate::error::{Error, Result};
use crate::models;

/// The name of the vectors that the user model has learned.
pub const USER_MODEL: &str = "user-model";
/// The name of small random vectors.
pub const RANDOM: &str = "random";
/// The share of rows that a model is selected by.
const VALIDATION: f64 = 0.1;

/// Whether `name` is one: `user-model`, `random`, or a model of `compare` that has embeddings.
///
/// # Errors
/// [`Error::Usage`] listing them.
pub fn check(name: &str) -> Result<()> {
    let known = models::MODELS.iter().filter(|model| model.has_embeddings()).map(|model| model.name);
    let known: Vec<&str> = [USER_MODEL, RANDOM].into_iter().chain(known).collect();
    if known.contains(&name) {
        return Ok(());
    }
    Err(Error::Usage(format!("warm_start is {name}; accepts {}", known.join(", "))))
}

/// The vectors called `name` for the items of the truth; `user_model` has those of the user model.
///
/// A collaborative-filtering model is fitted on the rows of the log whose target is at least the mean. Its vectors are scaled to
/// the size of the user model's, so that only what they say of the items differs, not how loudly.
///
/// # Errors
/// [`Error::Usage`] for a name that is not one, and what the model reports.
pub fn item_vectors(name: &str, source: &Source, user_model: &ItemVectors, seed: u64) -> Result<ItemVectors> {
    check(name)?;
    match name {
        USER_MODEL => return Ok(user_model.clone()),
        RANDOM => {
            let mut rng = random::stream(seed, "item vectors", 0);
            return Ok(ItemVectors::random(user_model.n_items(), user_model.dim, &mut rng));
        }
        _ => {}
    }
    let split = liked(source, seed);
    let fitted = models::find(name)?.embeddings(&split, source.users.rows, source.items.rows, seed)?;
    let chosen = source.truth_items.iter().flat_map(|&item| fitted.item(ItemId(item)).iter().copied());
    let mut vectors = ItemVectors { dim: fitted.dim(), values: chosen.collect() };
    let own = size(&vectors.values);
    if own > 0.0 {
        let scale = (size(&user_model.values) / own) as f32;
        vectors.values.iter_mut().for_each(|value| *value *= scale);
    }
    Ok(vectors)
}

/// The rows of the log that users liked; a tenth of them are for validation.
fn liked(source: &Source, seed: u64) -> Split {
    let log = &source.log;
    let mean = log.targets.iter().map(|&target| f64::from(target)).sum::<f64>() / log.len() as f64;
    let mut rng = random::stream(seed, "warm start", 0);
    let mut parts = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for row in (0..log.len()).filter(|&row| f64::from(log.targets[row]) >= mean) {
        let (users, items) = &mut parts[usize::from(rng.random::<f64>() < VALIDATION)];
        users.push(UserId(log.users[row]));
        items.push(ItemId(log.items[row]));
    }
    let [train, valid] = parts.map(|(users, items)| Interactions::from_pairs(users, items));
    let none = || Interactions::from_pairs(Vec::new(), Vec::new());
    Split { train, valid, test: none(), fold_in: none(), manifest: Default::default() }
}

/// The root of the mean square.
fn size(values: &[f32]) -> f64 {
    (values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::world;
    use rl_env::Compat;

    #[test]
    fn vectors_of_a_model_have_the_size_of_the_user_models_and_say_something_else() {
        let folder = world::folder(world::find("mt-mini").unwrap(), None).unwrap();
        let loaded = world::load("mt-mini", &folder, &Compat::default()).unwrap();
        let source = &loaded.source;
        let own = ItemVectors::random(source.truth_items.len(), 16, &mut random::stream(1, "own", 0));
        let warm = item_vectors("ials", source, &own, 1).unwrap();
        assert_eq!(warm.n_items(), own.n_items());
        assert!((size(&warm.values) / size(&own.values) - 1.0).abs() < 1e-3);
        // Films of one genre lie closer together than films drawn at random: the vectors know the log.
        let tags = source.tags.as_ref().unwrap();
        let cosine = |a: usize, b: usize| {
            let row = |item: usize| &warm.values[item * warm.dim..(item + 1) * warm.dim];
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            dot(row(a), row(b)) / (dot(row(a), row(a)) * dot(row(b), row(b))).sqrt().max(1e-12)
        };
        let (mut same, mut other) = ((0.0, 0), (0.0, 0));
        for a in 0..300 {
            for b in a + 1..300 {
                let sums = if tags[a] == tags[b] { &mut same } else { &mut other };
                sums.0 += cosine(a, b);
                sums.1 += 1;
            }
        }
        assert!(same.0 / f64::from(same.1) > other.0 / f64::from(other.1));
        assert_eq!(item_vectors(USER_MODEL, source, &own, 1).unwrap(), own);
        assert_eq!(item_vectors("ease", source, &own, 1).unwrap_err().exit_code(), 2);
    }
}
