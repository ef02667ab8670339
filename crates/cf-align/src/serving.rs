//! Answering by the outside's names: what to recommend to a known user, to somebody with only a history, and what
//! is like an item.

use rec_core::{Error, IdMap, ItemId, Query, Recommender, ScoredItem, UserId};

use crate::store::{Model, Saved};
use crate::{EaseWeights, Result};

/// An item by its outside name, and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The item.
    pub item: ItemId,
    /// Its outside name.
    pub name: &'a str,
    /// Its score; higher is better.
    pub score: f32,
}

impl Saved {
    /// The best `k` items for a user of the training data, without those in `exclude`.
    ///
    /// A model of vectors does not remember what its users touched: pass it in `exclude`, in any order.
    ///
    /// # Errors
    /// For a user or an item that the model does not know, by name.
    pub fn for_user(&self, user: &str, exclude: &[&str], k: usize) -> Result<Vec<Hit<'_>>> {
        let user = UserId(id(&self.users, "user", user)?);
        let exclude = self.sorted(exclude)?;
        self.ask(Query { user: Some(user), exclude: &exclude, ..Query::default() }, k)
    }

    /// The best `k` items for somebody who was not in the training data, from what they touched (oldest first),
    /// which itself is left out.
    ///
    /// Vectors trained by alignment are folded in as the mean of the directions of the history's items, the
    /// minimiser of the alignment term on the sphere; iALS solves its objective for the history; item-item models
    /// sum over it; popularity ignores it.
    ///
    /// # Errors
    /// For an item that the model does not know, by name, and for an empty history where the model needs one.
    pub fn for_history(&self, history: &[&str], k: usize) -> Result<Vec<Hit<'_>>> {
        let items = self.ids(history)?;
        let exclude = self.sorted(history)?;
        self.ask(Query { history: &items, exclude: &exclude, ..Query::default() }, k)
    }

    /// The `k` items most like `item`: by the cosine of their vectors, or for an item-item model by the weight with
    /// which `item` speaks for them (items without positive weight are left out).
    ///
    /// # Errors
    /// For an item that the model does not know, by name, and for popularity, which knows no likeness.
    pub fn similar(&self, item: &str, k: usize) -> Result<Vec<Hit<'_>>> {
        let item = ItemId(id(&self.items, "item", item)?);
        let n_items = self.model.n_items();
        let by_weight = |weights: &mut dyn Iterator<Item = (ItemId, f32)>| {
            let mut all: Vec<ScoredItem> = weights
                .filter(|&(other, weight)| other != item && weight > 0.0)
                .map(|(item, score)| ScoredItem { item, score })
                .collect();
            all.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
            all.truncate(k);
            all
        };
        let found = match &self.model {
            Model::Embeddings(embeddings, _) => embeddings.similar(item, k),
            Model::Ials(model) => model.embeddings().similar(item, k),
            Model::ItemKnn(model) => by_weight(&mut model.weights().row(item)),
            Model::Ease(model) => match model.weights() {
                EaseWeights::Sparse(weights) => by_weight(&mut weights.row(item)),
                EaseWeights::Dense(weights) => {
                    let row = &weights[item.index() * n_items..(item.index() + 1) * n_items];
                    by_weight(
                        &mut row.iter().enumerate().map(|(item, &weight)| (ItemId::from_index(item), weight)),
                    )
                }
            },
            Model::Popularity(_) => {
                return Err(Error::invalid("a popularity model does not know which items are alike").into());
            }
        };
        Ok(self.hits(&found))
    }

    fn ask(&self, query: Query<'_>, k: usize) -> Result<Vec<Hit<'_>>> {
        let rankings = self.model.recommend(&[query], k)?;
        Ok(self.hits(rankings.row(0)))
    }

    fn hits(&self, scored: &[ScoredItem]) -> Vec<Hit<'_>> {
        let hit = |scored: &ScoredItem| Hit {
            item: scored.item,
            name: self.items.token(scored.item.0),
            score: scored.score,
        };
        scored.iter().map(hit).collect()
    }

    fn ids(&self, names: &[&str]) -> Result<Vec<ItemId>> {
        names.iter().map(|name| Ok(ItemId(id(&self.items, "item", name)?))).collect()
    }

    fn sorted(&self, names: &[&str]) -> Result<Vec<ItemId>> {
        let mut ids = self.ids(names)?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

fn id(map: &IdMap, kind: &str, name: &str) -> Result<u32> {
    map.get(name).ok_or_else(|| Error::invalid(format!("the model knows no {kind} `{name}`")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item_knn::tests::user_items;
    use crate::{
        Ease, EaseConfig, Embeddings, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Popularity, Scoring,
    };

    fn saved(model: Model) -> Saved {
        let items = ["alien", "brazil", "casino", "dune"].into_iter().collect();
        Saved { model, users: ["ann", "bob", "cy"].into_iter().collect(), items }
    }

    fn names<'a>(hits: &[Hit<'a>]) -> Vec<&'a str> {
        hits.iter().map(|hit| hit.name).collect()
    }

    #[test]
    fn vectors_answer_by_name() {
        let items = vec![1.0, 0.0, 0.8, 0.2, 0.0, 1.0, 0.1, 0.9];
        let users = vec![1.0, 0.1, 0.0, 1.0, -1.0, 0.0];
        let saved = saved(Model::Embeddings(Embeddings::new(2, users, items, Scoring::Dot), None));
        assert_eq!(names(&saved.for_user("ann", &["alien"], 2).unwrap()), ["brazil", "dune"]);
        assert_eq!(names(&saved.for_history(&["dune"], 2).unwrap()), ["casino", "brazil"]);
        assert_eq!(names(&saved.similar("dune", 2).unwrap()), ["casino", "brazil"]);
        assert_eq!(saved.for_user("dan", &[], 1).unwrap_err().to_string(), "the model knows no user `dan`");
        assert_eq!(saved.similar("emma", 1).unwrap_err().to_string(), "the model knows no item `emma`");
        assert!(saved.for_history(&["emma"], 1).is_err());
    }

    #[test]
    fn every_kind_finds_what_goes_together() {
        let train = user_items(&[vec![0, 1], vec![0, 1], vec![2, 3]], 4);
        let ials = IalsConfig { dim: 2, regularization: 0.1, iterations: 40, ..IalsConfig::default() };
        let sparse = EaseConfig { top_k: Some(1), ..EaseConfig::default() };
        for model in [
            Model::ItemKnn(ItemKnn::fit(&train, &ItemKnnConfig::default()).unwrap()),
            Model::Ease(Ease::fit(&train, &EaseConfig::default()).unwrap()),
            Model::Ease(Ease::fit(&train, &sparse).unwrap()),
            Model::Ials(Ials::fit(&train, &ials).unwrap()),
        ] {
            let saved = saved(model);
            assert_eq!(names(&saved.for_user("cy", &["casino"], 1).unwrap()), ["dune"]);
            assert_eq!(names(&saved.for_history(&["alien"], 1).unwrap()), ["brazil"]);
            assert_eq!(names(&saved.similar("casino", 1).unwrap()), ["dune"]);
        }
        let saved = saved(Model::Popularity(Popularity::fit(&train)));
        assert_eq!(names(&saved.for_history(&["alien"], 1).unwrap()), ["brazil"]);
        assert!(saved.similar("alien", 1).is_err());
    }
}
