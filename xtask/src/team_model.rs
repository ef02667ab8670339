//! A team of agents as a model of `compare`: EASE proposes items for each user, the team puts them in order with its tools. Who
//! decides is the rule-based engine, not a language model.
//!
//! The tools see the training rows alone, as every other model does; EASE also sees the history of the query, which may be
//! newer. The tools' models are weighed on validation rows: how they order what EASE proposes for them.

use std::sync::Arc;

use agents::calibration::Calibration;
use agents::engine::{Engine, Job};
use agents::index::CutOff;
use agents::knowledge::Knowledge;
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{Prepared, Sample};
use agents::run::{Concurrency, run_many};
use agents::system::SystemConfig;
use agents::task::{Answer, TaskInput, TaskKind};
use rec_core::{Dataset, ItemId, Query, Rankings, Recommender, ScoredItem, Split, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Settings of a team that recommends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TeamModelConfig {
    /// The system, by its name in `agents systems`.
    pub system: String,
    /// How many items are proposed to the team, at least as many as are asked for.
    pub proposed: usize,
    /// How many lines of history the task shows.
    pub history: usize,
    /// The models that its tools consult.
    pub models: ModelsConfig,
}

impl Default for TeamModelConfig {
    fn default() -> Self {
        Self { system: "analyse".into(), proposed: 50, history: 10, models: ModelsConfig::default() }
    }
}

/// The settings in `config`.
///
/// # Errors
/// [`Error::Usage`] naming the key, what it is and what is accepted.
pub fn read(name: &str, config: &Value) -> Result<TeamModelConfig> {
    let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("settings of {name}: {error}"));
    let config: TeamModelConfig = serde_json::from_value(config.clone()).map_err(|error| wrong(&error))?;
    let system = SystemConfig::named(&config.system).map_err(|error| wrong(&error))?;
    if !system.tasks.contains(&TaskKind::Ranking) {
        return Err(wrong(&format!("system: {} does not rank", config.system)));
    }
    if config.proposed == 0 {
        return Err(wrong(&"proposed: is 0; accepts 1 or more"));
    }
    Ok(config)
}

/// Fits the models that the tools consult on the training rows and weighs them on the validation rows.
///
/// # Errors
/// [`Error::Usage`] for training rows without ratings; of the models.
pub fn fit(config: &TeamModelConfig, dataset: &Dataset, split: &Split, seed: u64) -> Result<TeamModel> {
    if split.train.ratings.is_none() {
        return Err(Error::Usage(format!("{}: the tools of a team need ratings", dataset.name)));
    }
    let prepared = Prepared {
        dataset: Dataset { interactions: split.train.clone(), ..dataset.clone() },
        train: split.train.clone(),
        dev: Vec::new(),
        test: Vec::new(),
        n_active_items: 0,
    };
    let mut models = config.models;
    models.factors.seed = seed;
    let mut knowledge = Knowledge::build(&prepared, &models)?;
    let dev = validation_samples(&knowledge, split, config.proposed)?;
    knowledge.calibration = Calibration::fit(&knowledge, &dev)?;
    let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
    let engine = Engine::with(Arc::new(knowledge), SystemConfig::named(&config.system)?, decider)?;
    Ok(TeamModel { engine, proposed: config.proposed, history: config.history })
}

/// Each validation row whose item EASE proposes from the user's training rows, among what it proposes.
fn validation_samples(knowledge: &Knowledge, split: &Split, proposed: usize) -> Result<Vec<Sample>> {
    let (n_users, n_items) = (knowledge.dataset.n_users(), knowledge.dataset.n_items());
    let train = rec_core::UserItems::new(&split.train, n_users, n_items);
    let rows: Vec<_> = split.valid.pairs().enumerate().collect();
    let mut samples = Vec::new();
    for some in rows.chunks(1024) {
        let query = |&(_, (user, _)): &(usize, (UserId, ItemId))| {
            let past = train.row(user);
            Query { user: Some(user), history: past, exclude: past, candidates: None }
        };
        let queries: Vec<Query<'_>> = some.iter().map(query).collect();
        let proposals = knowledge.models.ease.recommend(&queries, proposed)?;
        for (&(row, (user, item)), proposals) in some.iter().zip(proposals.rows()) {
            let candidates: Vec<ItemId> = proposals.iter().map(|scored| scored.item).collect();
            if !candidates.contains(&item) {
                continue;
            }
            let rating = split.valid.ratings.as_ref().map_or(1.0, |ratings| ratings[row]);
            samples.push(Sample { user, item, rating, cut_off: CutOff::NONE, candidates });
        }
    }
    Ok(samples)
}

/// A team that recommends.
pub struct TeamModel {
    engine: Engine,
    proposed: usize,
    history: usize,
}

impl Recommender for TeamModel {
    fn n_items(&self) -> usize {
        self.engine.knowledge.dataset.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let knowledge = &self.engine.knowledge;
        let proposals = knowledge.models.ease.recommend(queries, self.proposed.max(k))?;
        let job = |(query, proposals): (&Query<'_>, &[ScoredItem])| {
            let user = query.user.ok_or_else(|| {
                rec_core::Error::invalid("a team's tools look users up, and this query names none")
            })?;
            let candidates: Vec<ItemId> = proposals.iter().map(|scored| scored.item).collect();
            // A ranking task shows neither the item nor the rating; there is no true one here.
            let sample = Sample { user, item: ItemId(0), rating: 0.0, cut_off: CutOff::NONE, candidates };
            let task = TaskInput::of_sample(TaskKind::Ranking, knowledge, &sample, self.history);
            Ok(Job::new(task, CutOff::NONE))
        };
        let jobs: Vec<Job> =
            queries.iter().zip(proposals.rows()).map(job).collect::<rec_core::Result<_>>()?;
        let threads = rayon::current_num_threads();
        let mut rankings = Rankings::with_capacity(k, queries.len());
        run_many(&self.engine, &jobs, Concurrency::Threads { threads, in_flight: 1 }, |done| {
            let Answer::Ranking(ids) = &done.outcome.answer else {
                return Err(rec_core::Error::Model("a team answered a ranking with something else".into()));
            };
            let scored = ids.iter().zip((1..=ids.len()).rev()).filter_map(|(id, score)| {
                Some(ScoredItem { item: knowledge.item(id)?, score: score as f32 })
            });
            rankings.push(&scored.collect::<Vec<_>>());
            Ok(())
        })?;
        Ok(rankings)
    }
}

#[cfg(test)]
mod tests {
    use rec_core::{Catalogue, IdMap, Interactions};

    use super::*;

    /// Two tastes: users of even numbers like even items, the others odd ones; times rise along each user's rows.
    fn data() -> (Dataset, Split) {
        let (n_users, n_items) = (20_u32, 16_u32);
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for user in 0..n_users {
            rows.extend((0..6).map(|at| (user, (2 * ((user / 2 + at) % 8)) + user % 2)));
        }
        let part = |from: usize, to: usize| {
            let chosen: Vec<(u32, u32)> =
                rows.chunks(6).flat_map(|own| own[from..to].iter().copied()).collect();
            let mut part = Interactions::from_pairs(
                chosen.iter().map(|row| UserId(row.0)).collect(),
                chosen.iter().map(|row| ItemId(row.1)).collect(),
            );
            part.ratings = Some(vec![4.0; chosen.len()]);
            part.timestamps = Some((0..chosen.len()).map(|row| (row % (to - from) + from) as f64).collect());
            part
        };
        let split = Split { train: part(0, 4), valid: part(4, 5), test: part(5, 6), ..Split::default() };
        let dataset = Dataset {
            name: "two tastes".into(),
            interactions: part(0, 6),
            users: (0..n_users).map(|user| user.to_string()).collect::<IdMap>(),
            items: (0..n_items).map(|item| item.to_string()).collect::<IdMap>(),
            catalogue: Catalogue::default(),
            user_columns: Vec::new(),
            listed_users: None,
        };
        (dataset, split)
    }

    fn recommend(model: &TeamModel, split: &Split, user: u32, k: usize) -> Vec<u32> {
        let own = |part: &Interactions| {
            part.pairs().filter(|row| row.0.0 == user).map(|row| row.1).collect::<Vec<_>>()
        };
        let history = [own(&split.train), own(&split.valid)].concat();
        let mut exclude = history.clone();
        exclude.sort_unstable();
        let query =
            Query { user: Some(UserId(user)), history: &history, exclude: &exclude, candidates: None };
        model.recommend(&[query], k).unwrap().row(0).iter().map(|scored| scored.item.0).collect()
    }

    #[test]
    fn a_team_recommends_what_its_user_likes_and_has_not_seen() {
        let (dataset, split) = data();
        let config = TeamModelConfig { proposed: 8, ..TeamModelConfig::default() };
        let model = fit(&config, &dataset, &split, 1).unwrap();
        for user in 0..4 {
            let found = recommend(&model, &split, user, 3);
            assert_eq!(found.len(), 3);
            assert!(found.iter().all(|item| item % 2 == user % 2), "{user}: {found:?}");
        }
    }

    #[test]
    fn tools_see_no_row_outside_training() {
        let (dataset, split) = data();
        let model = fit(&TeamModelConfig::default(), &dataset, &split, 1).unwrap();
        let rows = model.engine.knowledge.index.user(UserId(3), CutOff::NONE);
        let seen: Vec<ItemId> = rows.iter().map(agents::index::Rated::item).collect();
        let own = split.train.pairs().filter(|row| row.0 == UserId(3));
        assert_eq!(seen, own.map(|row| row.1).collect::<Vec<_>>());
    }

    #[test]
    fn settings_that_do_not_hold_and_data_without_ratings_are_refused() {
        let check = |text: &str| read("team", &text.parse().unwrap());
        assert_eq!(check(r#"{"proposed": 0}"#).unwrap_err().exit_code(), 2);
        assert_eq!(check(r#"{"system": "nobody"}"#).unwrap_err().exit_code(), 2);
        assert!(check("{}").is_ok());
        let (dataset, mut split) = data();
        split.train.ratings = None;
        assert!(fit(&TeamModelConfig::default(), &dataset, &split, 1).is_err());
    }
}
