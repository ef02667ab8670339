//! What the tools know: the data set as of any moment, the models fitted on its training part, its texts and titles.

use std::sync::Arc;

use rec_core::{Dataset, ItemId, Recommender, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::calibration::Calibration;
use crate::error::Result;
use crate::index::{CutOff, TimeIndex};
use crate::models::{Models, ModelsConfig};
use crate::protocol::{Prepared, liked_from};
use crate::request::Request;
use crate::text::{TextIndex, TitleIndex};
use crate::untrusted;

/// An item as an agent sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCard {
    /// The outside id.
    pub id: String,
    /// The title, cleaned of control characters.
    pub title: String,
    /// The year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// The genres.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub genres: Vec<String>,
}

impl ItemCard {
    /// Title and year.
    pub fn name(&self) -> String {
        self.year.map_or_else(|| self.title.clone(), |year| format!("{} ({year})", self.title))
    }
}

/// The data set, its models and its texts; shared, never changed while agents work.
#[derive(Clone)]
pub struct Knowledge {
    /// The data set, with all rows that are left after preparation.
    pub dataset: Dataset,
    /// Its rows in time.
    pub index: TimeIndex,
    /// Models fitted on the training part.
    pub models: Models,
    /// How model outputs are weighed; from the validation part.
    pub calibration: Calibration,
    /// The least and the largest rating.
    pub scale: (f32, f32),
    /// Titles.
    pub titles: TitleIndex,
    /// Titles, genres and years as text.
    pub texts: TextIndex,
    /// An encyclopedia that the Searcher may ask, if one is connected.
    #[cfg(feature = "wiki")]
    pub encyclopedia: Option<Arc<crate::encyclopedia::Wikipedia>>,
    years: Vec<Option<u16>>,
    active: Vec<bool>,
    config: ModelsConfig,
}

/// What it is of; not its rows.
impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knowledge")
            .field("dataset", &self.dataset.name)
            .field("rows", &self.index.len())
            .field("models", &self.models)
            .field("calibration", &self.calibration)
            .finish_non_exhaustive()
    }
}

impl Knowledge {
    /// Fits the models on the training part of `prepared` and weighs them on its validation part.
    ///
    /// # Errors
    /// Of the models' settings.
    pub fn build(prepared: &Prepared, config: &ModelsConfig) -> Result<Self> {
        Self::build_with(prepared, config, Vec::new())
    }

    /// As [`Knowledge::build`], with ranking models of others beside the crate's own: they have to be fitted on the training part
    /// of `prepared`, and are weighed on the validation part like the rest.
    ///
    /// # Errors
    /// Of the models' settings and of the added models; [`crate::Error::Config`] if a name is taken.
    pub fn build_with(
        prepared: &Prepared,
        config: &ModelsConfig,
        rankers: Vec<(String, Arc<dyn Recommender>)>,
    ) -> Result<Self> {
        let dataset = prepared.dataset.clone();
        let (n_users, n_items) = (dataset.n_users(), dataset.n_items());
        let index = TimeIndex::new(&dataset.interactions, n_users, n_items);
        let mut models = Models::fit(&prepared.train, n_users, n_items, config)?;
        for (name, ranker) in rankers {
            models.add_ranker(name, ranker)?;
        }
        let titles: Vec<String> = (0..n_items)
            .map(|item| {
                untrusted::clean(dataset.catalogue.title(ItemId::from_index(item)).unwrap_or_default())
            })
            .collect();
        let column = |names: &[&str]| {
            dataset
                .catalogue
                .columns
                .iter()
                .find(|(name, _)| names.contains(&name.as_str()))
                .map(|(_, values)| values)
        };
        let released = column(&["release_year", "year"]);
        let years: Vec<Option<u16>> = (0..n_items)
            .map(|item| {
                let written = released.and_then(|years| years[item].trim().parse().ok());
                written.or_else(|| crate::text::title_key(&titles[item]).1)
            })
            .collect();
        let counts = prepared.train.item_counts(n_items);
        let active = dataset.interactions.item_counts(n_items).iter().map(|&count| count > 0).collect();
        let ratings = dataset.interactions.ratings.iter().flatten();
        let scale = ratings.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &rating| {
            (low.min(rating), high.max(rating))
        });
        let mut knowledge = Self {
            titles: TitleIndex::new(&titles, &years, &counts),
            texts: TextIndex::default(),
            calibration: Calibration::default(),
            dataset,
            index,
            models,
            scale,
            #[cfg(feature = "wiki")]
            encyclopedia: None,
            years,
            active,
            config: *config,
        };
        knowledge.texts = TextIndex::new((0..n_items).map(|item| {
            let card = knowledge.card(ItemId::from_index(item));
            let year = card.year.map_or_else(String::new, |year| format!("{year} {}s", year / 10 * 10));
            format!("{} {} {year}", card.title, card.genres.join(" "))
        }));
        knowledge.calibration = Calibration::fit(&knowledge, &prepared.dev)?;
        Ok(knowledge)
    }

    /// SHA-256 of the models' settings and of the weights that the validation part gave them, so that a run is gone on with only
    /// under the models that it began with.
    ///
    /// # Panics
    /// Never: both have a JSON form.
    pub fn models_sha256(&self) -> String {
        let facts =
            serde_json::to_vec(&(&self.config, &self.calibration)).expect("settings have a JSON form");
        rec_core::digest::hex(&Sha256::digest(facts))
    }

    /// Whether an encyclopedia is connected.
    pub fn has_encyclopedia(&self) -> bool {
        #[cfg(feature = "wiki")]
        let connected = self.encyclopedia.is_some();
        #[cfg(not(feature = "wiki"))]
        let connected = false;
        connected
    }

    /// The item as agents see it.
    pub fn card(&self, item: ItemId) -> ItemCard {
        let catalogue = &self.dataset.catalogue;
        let genres = catalogue.categories_of(item).iter();
        ItemCard {
            id: self.dataset.items.token(item.0).to_owned(),
            title: catalogue.title(item).map_or_else(
                || format!("item {}", self.dataset.items.token(item.0)),
                |title| untrusted::clip(&untrusted::clean(title), 200),
            ),
            year: self.years[item.index()],
            genres: genres.map(|&genre| catalogue.category_names[genre as usize].clone()).collect(),
        }
    }

    /// The year of an item.
    pub fn year(&self, item: ItemId) -> Option<u16> {
        self.years[item.index()]
    }

    /// The names of all genres.
    pub fn genres(&self) -> &[String] {
        &self.dataset.catalogue.category_names
    }

    /// Whether the item has a row in the prepared data.
    pub fn is_active(&self, item: ItemId) -> bool {
        self.active[item.index()]
    }

    /// Whether the data set has a user or an item of exactly this id.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.dataset.users.get(id).is_some() || self.dataset.items.get(id).is_some()
    }

    /// The user of an outside id; leading zeros may be missing.
    pub fn user(&self, id: &str) -> Option<UserId> {
        resolve(&self.dataset.users, id).map(UserId)
    }

    /// The item of an outside id; leading zeros may be missing.
    pub fn item(&self, id: &str) -> Option<ItemId> {
        resolve(&self.dataset.items, id).map(ItemId)
    }

    /// The least rating that counts as liked.
    pub fn liked_from(&self) -> f32 {
        liked_from(self.scale)
    }

    /// How many genres two items share, over how many either has.
    pub fn genre_overlap(&self, a: ItemId, b: ItemId) -> f32 {
        let (a, b) = (self.dataset.catalogue.categories_of(a), self.dataset.catalogue.categories_of(b));
        let both = a.iter().filter(|genre| b.contains(genre)).count();
        let all = a.len() + b.len() - both;
        if all == 0 { 0.0 } else { both as f32 / all as f32 }
    }

    /// Whether `item` meets the genres and years of `request`. Genre names are compared without regard to case.
    pub fn meets(&self, item: ItemId, request: &Request) -> bool {
        let catalogue = &self.dataset.catalogue;
        let has = |genre: &String| {
            let mut own = catalogue.categories_of(item).iter();
            own.any(|&own| catalogue.category_names[own as usize].eq_ignore_ascii_case(genre))
        };
        let year = self.years[item.index()];
        request.genres.iter().all(has)
            && !request.without_genres.iter().any(has)
            && request.from_year.is_none_or(|from| year.is_some_and(|year| year >= from))
            && request.to_year.is_none_or(|to| year.is_some_and(|year| year <= to))
    }

    /// How often an item was rated before the cut-off.
    pub fn count(&self, item: ItemId, cut_off: CutOff) -> usize {
        self.index.item(item, cut_off).len()
    }
}

fn resolve(map: &rec_core::IdMap, id: &str) -> Option<u32> {
    if let Some(found) = map.get(id) {
        return Some(found);
    }
    // Models drop leading zeros: IMDb numbers have seven or more digits.
    if !id.is_empty() && id.len() < 10 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return (id.len() + 1..=10).find_map(|width| map.get(&format!("{id:0>width$}")));
    }
    None
}
