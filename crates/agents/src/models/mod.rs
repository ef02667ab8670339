//! The models that the tools consult, small enough that the crate works alone. Any other [`Recommender`] can be added
//! beside them ([`Models::add_ranker`]).

mod bias;
mod ease;
mod factors;
mod item_knn;

use std::sync::Arc;

use rec_core::{Interactions, ItemId, Recommender};
use serde::{Deserialize, Serialize};

pub use bias::{Bias, RecentBias};
pub use ease::{Ease, EaseConfig};
pub use factors::{Factors, FactorsConfig};
pub use item_knn::{ItemKnn, ItemKnnConfig};

use crate::error::Result;
use crate::index::Rated;

/// The ability to predict a rating for someone who is known by a history alone, so that a person in a dialogue is answered
/// like a user of the data set.
pub trait RatingModel: Send + Sync {
    /// A short name for observations and tables.
    fn name(&self) -> &'static str;

    /// The expected rating of `item` by the owner of `history`, not clipped to the scale, and how many of the history's
    /// items had a say.
    fn predict(&self, history: &[Rated], item: ItemId) -> Prediction;
}

/// A predicted rating.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The rating.
    pub rating: f32,
    /// How many items of the history had a say.
    pub support: u32,
}

/// The settings of all models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// EASE.
    pub ease: EaseConfig,
    /// Neighbours among items.
    pub item_knn: ItemKnnConfig,
    /// Factors.
    pub factors: FactorsConfig,
}

/// The models of one data set.
#[derive(Clone)]
pub struct Models {
    /// Rating models, in the order of every table.
    pub raters: Vec<Arc<dyn RatingModel>>,
    /// Ranking models by name, in the order of every table.
    pub rankers: Vec<(String, Arc<dyn Recommender>)>,
    /// For evidence and likeness.
    pub ease: Arc<Ease>,
    /// For neighbours.
    pub item_knn: Arc<ItemKnn>,
    /// For ratings of items and users against the mean.
    pub bias: Arc<Bias>,
}

/// The names.
impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let raters: Vec<&str> = self.raters.iter().map(|model| model.name()).collect();
        let rankers: Vec<&str> = self.rankers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Models").field("raters", &raters).field("rankers", &rankers).finish_non_exhaustive()
    }
}

impl Models {
    /// Fits all models on `train`.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for settings that are out of range.
    pub fn fit(train: &Interactions, n_users: usize, n_items: usize, config: &ModelsConfig) -> Result<Self> {
        let bias = Arc::new(Bias::fit(train, n_users, n_items));
        let item_knn = Arc::new(ItemKnn::fit(train, n_users, n_items, &bias, &config.item_knn)?);
        let factors = Arc::new(Factors::fit(train, n_users, n_items, &bias, &config.factors)?);
        let ease = Arc::new(Ease::fit(train, n_users, n_items, &config.ease)?);
        Ok(Self {
            raters: vec![
                bias.clone(),
                Arc::new(RecentBias { bias: bias.clone(), window: 10 }),
                item_knn.clone(),
                factors,
            ],
            rankers: vec![("ease".into(), ease.clone()), ("item-knn".into(), item_knn.clone())],
            ease,
            item_knn,
            bias,
        })
    }

    /// Adds a ranking model. It counts once it has a weight: see [`Knowledge::build_with`](crate::knowledge::Knowledge::build_with).
    ///
    /// # Errors
    /// [`crate::Error::Config`] if another model, or a column of its own of the ranking scores, has the name.
    pub fn add_ranker(&mut self, name: impl Into<String>, model: Arc<dyn Recommender>) -> Result<()> {
        let name = name.into();
        let own = ["popularity", "trend", "rating"];
        if own.contains(&name.as_str()) || self.rankers.iter().any(|(known, _)| *known == name) {
            return Err(crate::Error::config("rankers", format!("{name:?} is taken")));
        }
        self.rankers.push((name, model));
        Ok(())
    }
}
