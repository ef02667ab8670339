//! Several user models that differ in their first weights.

use burn::tensor::Device;
use rayon::prelude::*;
use rec_core::metrics::rating::{mae, rmse};
use serde::{Deserialize, Serialize};

use super::training::Task;
use super::{DeepFm, Encoded, ErrorWeights, Negatives, Output, UserModelConfig};
use crate::network::host;
use crate::simulate::{Predicted, Sensitivity};
use crate::tracker::ItemVectors;
use crate::{Compat, Error, Features, LogColumns, Result, RewardMatrix};

/// What user models are fitted to.
#[derive(Clone, Copy, Debug)]
pub struct UserModelData<'a> {
    /// Who took what and what it earned.
    pub log: LogColumns<'a>,
    /// What is known of the log's users.
    pub users: &'a Features,
    /// What is known of the log's items.
    pub items: &'a Features,
    /// For CIRS how much of the like each row's user had just had before, for each row of the log
    /// ([`simulate::exposure_of_log`](crate::simulate::exposure_of_log)); its feedback is then taken for
    /// `m / (1 + alpha_u beta_i e)`.
    pub exposure: Option<&'a [f32]>,
}

/// Errors of predicted feedback over a log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatingErrors {
    /// The mean absolute error.
    pub mae: f64,
    /// The mean squared error.
    pub mse: f64,
    /// Its root.
    pub rmse: f64,
}

/// Fitted user models.
#[derive(Clone, Debug)]
pub struct Ensemble {
    pub(super) config: UserModelConfig,
    pub(super) users: Encoded,
    pub(super) items: Encoded,
    /// Without gradients.
    pub(super) members: Vec<DeepFm>,
    pub(super) device: Device,
    /// For each member and epoch the loss per pair, decay included.
    pub(super) losses: Vec<Vec<f64>>,
}

/// Pairs per forward pass where no gradient is needed.
const CHUNK: usize = 16_384;

impl Ensemble {
    /// Trains the members, side by side.
    ///
    /// They differ in their first weights and in the order of pairs; with [`Compat::shared_ensemble_init`], as in the
    /// reference, in the order alone. All see the same negatives.
    ///
    /// # Errors
    /// If a setting or the data does not hold, or [`Error::Diverged`] if a loss is not finite.
    pub fn fit(
        data: &UserModelData<'_>,
        config: &UserModelConfig,
        compat: &Compat,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (users, items) = (Encoded::new(data.users)?, Encoded::new(data.items)?);
        data.log.validate(users.rows(), items.rows())?;
        if data.log.is_empty() {
            return Err(Error::invalid("a user model needs a log with rows"));
        }
        if data.log.len().checked_mul(config.negatives).is_none_or(|pairs| u32::try_from(pairs).is_err()) {
            return Err(Error::config("user_model.negatives", "times the rows of the log is more than 2^32"));
        }
        if let Some(exposure) = data.exposure {
            if exposure.len() != data.log.len() {
                let (found, rows) = (exposure.len(), data.log.len());
                return Err(Error::invalid(format!("{found} exposures for {rows} rows of the log")));
            }
            if let Some(row) = exposure.iter().position(|e| !(e.is_finite() && *e >= 0.0)) {
                return Err(Error::invalid(format!("log row {row}: the exposure is {}", exposure[row])));
            }
        } else if config.learn_sensitivity {
            return Err(Error::config(
                "user_model.learn_sensitivity",
                "is true, but the log has no exposures",
            ));
        }
        let binary = config.model.target == crate::datasets::Target::Binary;
        if binary && let Some(row) = data.log.targets.iter().position(|t| !(0.0..=1.0).contains(t)) {
            let target = data.log.targets[row];
            return Err(Error::invalid(format!("log row {row}: the target {target} is not within 0 to 1")));
        }
        let task = Task {
            data,
            config,
            users: &users,
            items: &items,
            negatives: Negatives::new(data.log, config.negative_tries, seed),
            counts: (config.error_weights == ErrorWeights::InversePropensity).then(|| {
                let mut counts = vec![0_u32; items.rows()];
                data.log.items.iter().for_each(|&item| counts[item as usize] += 1);
                counts
            }),
            seed,
            device: device.clone().autodiff(),
        };
        let fitted: Result<Vec<_>> = (0..config.members)
            .into_par_iter()
            .map(|member| task.fit_member(member, if compat.shared_ensemble_init { 0 } else { member }))
            .collect();
        let (members, losses) = fitted?.into_iter().unzip();
        let device = device.clone().inner();
        Ok(Self { config: config.clone(), users, items, members, device, losses })
    }

    /// How the members were trained.
    pub fn config(&self) -> &UserModelConfig {
        &self.config
    }

    /// How many members there are.
    pub fn n_members(&self) -> usize {
        self.members.len()
    }

    /// For each member and epoch the loss per pair, decay included; empty for a loaded model.
    pub fn losses(&self) -> &[Vec<f64>] {
        &self.losses
    }

    /// Whether the members tell variances.
    fn has_variance(&self) -> bool {
        self.config.error_weights == ErrorWeights::Variance
    }

    /// The members' predictions for `users` with `items`, which are ids of the log: the mean of their means and the
    /// largest of their variances.
    ///
    /// # Errors
    /// If a user or item does not exist or there are none, or a prediction is not finite.
    pub fn predict_all(&self, users: &[u32], items: &[u32]) -> Result<Predicted> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        if users.is_empty() || items.is_empty() {
            return Err(Error::invalid("predictions for no users or no items"));
        }
        let n = users.len() * items.len();
        let mut means = vec![0.0; n];
        let mut variances = vec![0.0; if self.has_variance() { n } else { 0 }];
        let item_rows = self.items.rows_on(items.iter().copied(), &self.device);
        let block = (CHUNK / items.len()).max(1);
        let blocks: Vec<_> = users
            .par_chunks(block)
            .map(|users| {
                let user_rows = self.users.rows_on(users.iter().copied(), &self.device);
                self.pool(|member| member.forward_all(&user_rows, &item_rows))
            })
            .collect();
        for (index, (mean, variance)) in blocks.into_iter().enumerate() {
            let start = index * block * items.len();
            means[start..start + mean.len()].copy_from_slice(&mean);
            if self.has_variance() {
                variances[start..start + variance.len()].copy_from_slice(&variance);
            }
        }
        let matrix = |cells| RewardMatrix::new(users.len(), items.len(), cells);
        let variance = if self.has_variance() { Some(matrix(variances)?) } else { None };
        Predicted::new(matrix(means)?, variance)
    }

    /// The mean of the members' means and, where there are any, the largest of their variances.
    fn pool(&self, mut predict: impl FnMut(&DeepFm) -> Output) -> (Vec<f32>, Vec<f32>) {
        let outputs: Vec<Output> = self.members.iter().map(&mut predict).collect();
        let mut mean = host(outputs[0].mean.clone());
        for output in &outputs[1..] {
            mean.iter_mut().zip(host(output.mean.clone())).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= outputs.len() as f32);
        let mut variance = Vec::new();
        if self.has_variance() {
            for output in outputs {
                let one = host(output.log_variance.exp());
                if variance.is_empty() {
                    variance = one;
                } else {
                    variance.iter_mut().zip(one).for_each(|(most, value)| *most = value.max(*most));
                }
            }
        }
        (mean, variance)
    }

    /// The predicted feedback of the pairs `users[i], items[i]`: of one member, or the mean over all.
    ///
    /// # Errors
    /// If the two differ in length or a user, item or member does not exist.
    pub fn predict(&self, users: &[u32], items: &[u32], member: Option<usize>) -> Result<Vec<f32>> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        if users.len() != items.len() {
            return Err(Error::invalid(format!("{} users paired with {} items", users.len(), items.len())));
        }
        if let Some(member) = member.filter(|&member| member >= self.members.len()) {
            return Err(Error::invalid(format!("no member {member} among {}", self.members.len())));
        }
        let chunks: Vec<Vec<f32>> = users
            .par_chunks(CHUNK)
            .zip(items.par_chunks(CHUNK))
            .map(|(users, items)| {
                let users = self.users.rows_on(users.iter().copied(), &self.device);
                let items = self.items.rows_on(items.iter().copied(), &self.device);
                match member {
                    Some(member) => host(self.members[member].forward(&users, &items).mean),
                    None => self.pool(|member| member.forward(&users, &items)).0,
                }
            })
            .collect();
        Ok(chunks.concat())
    }

    /// How far predictions are from a held-out log: of one member, or of the mean over all.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn errors(&self, log: LogColumns<'_>, member: Option<usize>) -> Result<RatingErrors> {
        let predicted = self.predict(log.users, log.items, member)?;
        let rmse = rmse(&predicted, log.targets);
        Ok(RatingErrors { mae: mae(&predicted, log.targets), mse: rmse * rmse, rmse })
    }

    /// The vectors of `items`, ids of the log, in the first member: the item's own embedding, its features' embeddings
    /// (zeros for an empty slot), its numeric features. Coat: 40 wide.
    ///
    /// # Errors
    /// If an item does not exist.
    pub fn item_representations(&self, items: &[u32]) -> Result<ItemVectors> {
        self.items.check("item", items)?;
        let dim = self.items.fields() * self.config.model.dim + self.items.n_dense();
        if items.is_empty() {
            return Ok(ItemVectors { dim, values: Vec::new() });
        }
        let rows = self.items.rows_on(items.iter().copied(), &self.device);
        Ok(ItemVectors { dim, values: host(self.members[0].item_vectors(&rows)) })
    }

    /// The factors of exposure of `users` and `items`, ids of the log, as the mean over the members and at least 0; none
    /// if they were not learned.
    ///
    /// # Errors
    /// If a user or item does not exist.
    pub fn sensitivity(&self, users: &[u32], items: &[u32]) -> Result<Option<Sensitivity>> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        let factors: Option<Vec<[Vec<f32>; 2]>> =
            self.members.iter().map(DeepFm::all_sensitivities).collect();
        Ok(factors.map(|factors| {
            let mean = |side: usize, ids: &[u32]| {
                let of = |&id: &u32| {
                    let sum: f32 = factors.iter().map(|member| member[side][id as usize]).sum();
                    (sum / factors.len() as f32).max(0.0)
                };
                ids.iter().map(of).collect()
            };
            Sensitivity { users: mean(0, users), items: mean(1, items) }
        }))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::Module;
    use burn::tensor::Tensor;
    use rec_core::random;

    use super::*;
    use crate::optimizer::{Adam, weights, with_weights};
    use crate::user_model::training::{Batch, objective};
    use crate::user_model::{DeepFmConfig, Loss};
    use crate::{Column, DenseColumn, TagSlots};

    const EMPTY: u32 = TagSlots::EMPTY;

    /// The features of `tests/golden/deepfm.py`.
    fn features() -> (Features, Features) {
        let column = |vocabulary, values| Column { name: "kind".into(), vocabulary, values };
        let users =
            Features { rows: 4, categorical: vec![column(2, vec![0, 1, 1, 0])], ..Features::default() };
        let tags = TagSlots {
            name: "tags".into(),
            vocabulary: 4,
            slots: 2,
            values: vec![0, 2, 3, EMPTY, 1, 0, EMPTY, EMPTY, 2, 3],
        };
        let items = Features {
            rows: 5,
            categorical: vec![column(3, vec![2, 0, 1, 1, 0])],
            tags: Some(tags),
            dense: vec![DenseColumn { name: "length".into(), values: vec![0.1, 0.9, 0.4, 0.0, 0.6] }],
        };
        (users, items)
    }

    const USERS: [u32; 10] = [0, 1, 2, 3, 0, 2, 0, 3, 1, 2];
    const ITEMS: [u32; 10] = [0, 3, 4, 1, 2, 1, 4, 3, 1, 0];

    #[derive(Deserialize)]
    struct Golden {
        weights: Vec<Vec<f32>>,
        rating: Predictions,
        binary: Predictions,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Predictions {
        mean: Vec<f32>,
        log_variance: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct Case {
        errors: ErrorWeights,
        loss: Loss,
        exposed: bool,
        value: f32,
        gradients: Vec<Vec<f32>>,
        after: Option<Vec<Vec<f32>>>,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/deepfm.json")).unwrap()
    }

    fn small(target: crate::datasets::Target) -> DeepFmConfig {
        DeepFmConfig { dim: 3, hidden: vec![5, 4], target, ..DeepFmConfig::default() }
    }

    /// A model with the golden weights, those of exposure only where there is `exposed`.
    fn model(golden: &Golden, config: &DeepFmConfig, exposed: bool, device: &Device) -> DeepFm {
        let (users, items) = features();
        let (users, items) = (Encoded::new(&users).unwrap(), Encoded::new(&items).unwrap());
        let mut rng = random::stream(1, "test", 0);
        let values = golden.weights[..if exposed { 15 } else { 13 }].to_vec();
        with_weights(DeepFm::new(&users, &items, config, exposed, &mut rng, device), values).unwrap()
    }

    fn assert_close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{what}: {found} {expected}");
        }
    }

    #[test]
    fn predictions_are_torchs_for_pairs_and_for_all() {
        use crate::datasets::Target;
        let (golden, device) = (golden(), Device::flex());
        let (users, items) = features();
        let (users, items) = (Encoded::new(&users).unwrap(), Encoded::new(&items).unwrap());
        for (target, expected) in [(Target::Rating, &golden.rating), (Target::Binary, &golden.binary)] {
            let model = model(&golden, &small(target), false, &device);
            let pairs = model.forward(
                &users.rows_on(USERS.into_iter(), &device),
                &items.rows_on(ITEMS.into_iter(), &device),
            );
            let all = model.forward_all(&users.rows_on(0..4, &device), &items.rows_on(0..5, &device));
            for (pairs, all, expected) in [
                (pairs.mean, all.mean, &expected.mean),
                (pairs.log_variance, all.log_variance, &expected.log_variance),
            ] {
                assert_close(&host(pairs), expected, "pairs");
                let all = host(all);
                let cells: Vec<f32> =
                    USERS.iter().zip(ITEMS).map(|(&user, item)| all[(user * 5 + item) as usize]).collect();
                assert_close(&cells, expected, "all");
            }
        }
    }

    #[test]
    fn losses_gradients_and_steps_are_torchs() {
        let (golden, device) = (golden(), Device::flex().autodiff());
        let (users, items) = features();
        let (users, items) = (Encoded::new(&users).unwrap(), Encoded::new(&items).unwrap());
        assert_eq!(golden.cases.len(), 24);
        for case in &golden.cases {
            let config = UserModelConfig {
                model: small(crate::datasets::Target::Rating),
                loss: case.loss,
                error_weights: case.errors,
                l2_embeddings: 1e-2,
                l2_weights: 0.1,
                learn_sensitivity: case.exposed,
                ..UserModelConfig::default()
            };
            let pairs = if case.loss == Loss::Point { 5 } else { 10 };
            let inverse = case.errors == ErrorWeights::InversePropensity;
            let at = |model: &DeepFm| {
                let batch = Batch {
                    users: USERS[..pairs].to_vec(),
                    items: ITEMS[..pairs].to_vec(),
                    targets: vec![5.0, 1.0, 3.0, 4.0, 2.0],
                    inverse: inverse.then(|| vec![1.0, 0.5, 0.25, 0.5, 1.0]),
                    exposure: case.exposed.then(|| vec![0.0, 0.5, 1.5, 0.2, 0.0]),
                };
                objective(model, &config, &users, &items, batch, &device)
            };
            let what = format!("{:?} {:?} {}", case.errors, case.loss, case.exposed);
            let mut model = model(&golden, &config.model, case.exposed, &device);
            let loss = at(&model);
            assert_close(&[loss.clone().into_scalar::<f32>()], &[case.value], &what);

            struct Read<'a>(&'a burn::tensor::Gradients, Vec<Vec<f32>>);
            impl burn::module::ModuleVisitor for Read<'_> {
                fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
                    let gradient = param.val().grad(self.0).map(|g| g.into_data().iter::<f32>().collect());
                    self.1.push(gradient.unwrap_or_default());
                }
            }
            let gradients = loss.backward();
            let mut read = Read(&gradients, Vec::new());
            model.visit(&mut read);
            for (at, (found, expected)) in read.1.iter().zip(&case.gradients).enumerate() {
                assert_close(found, expected, &format!("{what}, gradient {at}"));
            }
            if let Some(after) = &case.after {
                let mut adam = Adam::new(1e-2, None);
                for _ in 0..2 {
                    let mut gradients = at(&model).backward();
                    model = adam.step(model, &mut gradients);
                }
                for (at, (found, expected)) in weights(&model).iter().zip(after).enumerate() {
                    assert_close(found, expected, &format!("{what}, weights {at} after two steps"));
                }
            }
        }
    }

    /// A log in which users like items of their own parity.
    fn log() -> (Vec<u32>, Vec<u32>, Vec<f32>) {
        let pairs = (0..4_u32).flat_map(|user| (0..5_u32).map(move |item| (user, item)));
        let rows = pairs.filter(|(user, item)| (user * 5 + item) % 3 != 0);
        let rows = rows.map(|(user, item)| (user, item, if user % 2 == item % 2 { 5.0 } else { 1.0 }));
        let (mut users, mut items, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (user, item, target) in rows {
            users.push(user);
            items.push(item);
            targets.push(target);
        }
        (users, items, targets)
    }

    fn quick() -> UserModelConfig {
        UserModelConfig {
            members: 2,
            epochs: 3,
            batch_size: 16,
            l2_weights: 1e-3,
            learning_rate: 1e-2,
            ..UserModelConfig::default()
        }
    }

    fn fit(
        config: &UserModelConfig,
        compat: &Compat,
        exposure: Option<&[f32]>,
        seed: u64,
    ) -> Result<Ensemble> {
        let ((users, items), (log_users, log_items, targets)) = (features(), log());
        let log = LogColumns { users: &log_users, items: &log_items, targets: &targets };
        let data = UserModelData { log, users: &users, items: &items, exposure };
        Ensemble::fit(&data, config, compat, seed, &Device::flex())
    }

    #[test]
    fn fitting_is_the_same_for_one_thread_and_for_many() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let model = fit(&quick(), &Compat::default(), None, 3).unwrap();
                let predicted = model.predict_all(&[0, 1, 2, 3], &[0, 1, 2, 3, 4]).unwrap();
                (model.members.iter().map(weights).collect::<Vec<_>>(), format!("{predicted:?}"))
            })
        };
        let (one, many) = (run(1), run(4));
        assert_eq!(one, many);
        let other = fit(&quick(), &Compat::default(), None, 4).unwrap();
        assert_ne!(one.0[0], weights(&other.members[0]));
    }

    #[test]
    fn a_model_learns_what_the_log_shows() {
        let config = UserModelConfig { loss: Loss::Point, epochs: 60, members: 1, ..quick() };
        let model = fit(&config, &Compat::default(), None, 8).unwrap();
        let (users, items, targets) = log();
        let log = LogColumns { users: &users, items: &items, targets: &targets };
        let errors = model.errors(log, None).unwrap();
        assert!(errors.mae < 0.3, "{errors:?}");
        assert!((errors.mse - errors.rmse * errors.rmse).abs() < 1e-9);
        let losses = &model.losses()[0];
        assert!(losses[59] < losses[0]);
    }

    #[test]
    fn members_differ_in_their_first_weights_unless_as_in_the_reference() {
        let start = |compat: &Compat| {
            let config = UserModelConfig { epochs: 0, ..quick() };
            let model = fit(&config, compat, None, 3).unwrap();
            model.members.iter().map(weights).collect::<Vec<_>>()
        };
        let own = start(&Compat::default());
        assert_ne!(own[0], own[1]);
        let shared = start(&Compat { shared_ensemble_init: true, ..Compat::default() });
        assert_eq!(shared[0], shared[1]);
        assert_eq!(shared[0], own[0]);
    }

    #[test]
    fn an_ensemble_predicts_the_mean_of_means_and_the_largest_variance() {
        let model = fit(&quick(), &Compat::default(), None, 3).unwrap();
        let (users, items) = ([1, 3], [4, 0, 2]);
        let predicted = model.predict_all(&users, &items).unwrap();
        for (row, &user) in users.iter().enumerate() {
            for (column, &item) in items.iter().enumerate() {
                let [a, b] = [0, 1].map(|member| model.predict(&[user], &[item], Some(member)).unwrap()[0]);
                let cell = predicted.mean.get(row as u32, column as u32);
                assert!((cell - (a + b) / 2.0).abs() < 1e-5);
                let rows = |encoded: &Encoded, id: u32| encoded.rows_on([id].into_iter(), &model.device);
                let variance = model.members.iter().map(|member| {
                    let output = member.forward(&rows(&model.users, user), &rows(&model.items, item));
                    host(output.log_variance)[0].exp()
                });
                let most = variance.fold(0.0, f32::max);
                let cell = predicted.variance.as_ref().unwrap().get(row as u32, column as u32);
                assert!((cell - most).abs() < 1e-5);
            }
        }
        let pooled = model.predict(&[3], &[2], None).unwrap()[0];
        assert!((pooled - predicted.mean.get(1, 2)).abs() < 1e-5);
        assert!(model.predict_all(&[4], &items).is_err());
        assert!(model.predict(&[0], &[5], None).is_err());
        assert!(model.predict(&[0], &[0], Some(2)).is_err());
    }

    #[test]
    fn item_vectors_are_embeddings_with_zeros_for_empty_slots_and_numbers_last() {
        let model = fit(&quick(), &Compat::default(), None, 3).unwrap();
        let vectors = model.item_representations(&[3, 0]).unwrap();
        assert_eq!((vectors.dim, vectors.values.len()), (4 * 8 + 1, 2 * 33));
        // Item 3 has no tags and length 0; item 0 has length 0.1.
        assert!(vectors.values[16..33].iter().all(|&value| value == 0.0));
        assert!(vectors.values[..16].iter().all(|&value| value != 0.0));
        assert_eq!(vectors.values[65], 0.1);
    }

    #[test]
    fn inverse_propensity_has_one_member_and_no_variance() {
        let config = UserModelConfig { epochs: 2, ..UserModelConfig::inverse_propensity() };
        let model = fit(&config, &Compat::default(), None, 3).unwrap();
        assert_eq!(model.n_members(), 1);
        assert!(model.predict_all(&[0], &[0, 1]).unwrap().variance.is_none());
    }

    #[test]
    fn factors_of_exposure_are_learned_and_stay_near_one() {
        let rows = log().0.len();
        let exposure: Vec<f32> = (0..rows).map(|row| (row % 3) as f32).collect();
        let config = UserModelConfig { learn_sensitivity: true, epochs: 20, ..quick() };
        let model = fit(&config, &Compat::default(), Some(&exposure), 3).unwrap();
        let factors = model.sensitivity(&[2, 0], &[1]).unwrap().unwrap();
        assert_eq!((factors.users.len(), factors.items.len()), (2, 1));
        for factor in factors.users.iter().chain(&factors.items) {
            assert!((factor - 1.0).abs() > 1e-4 && (factor - 1.0).abs() < 0.9, "{factor}");
        }
        assert_eq!(
            fit(&quick(), &Compat::default(), None, 3).unwrap().sensitivity(&[0], &[0]).unwrap(),
            None
        );
        assert!(
            fit(&config, &Compat::default(), None, 3).unwrap_err().to_string().contains("learn_sensitivity")
        );
        assert!(fit(&quick(), &Compat::default(), Some(&exposure[1..]), 3).is_err());
        assert!(fit(&quick(), &Compat::default(), Some(&vec![-1.0; rows]), 3).is_err());
    }

    #[test]
    fn settings_that_do_not_hold_are_refused_by_name() {
        let refused = |config: UserModelConfig| config.validate().unwrap_err().to_string();
        let base = UserModelConfig::default;
        assert!(refused(UserModelConfig { members: 0, ..base() }).starts_with("user_model.members"));
        assert!(refused(UserModelConfig { batch_size: 0, ..base() }).starts_with("user_model.batch_size"));
        let nan = UserModelConfig { learning_rate: f64::NAN, ..base() };
        assert!(refused(nan).starts_with("user_model.learning_rate"));
        let mut config = base();
        config.model.hidden.clear();
        assert!(refused(config).starts_with("user_model.model.hidden"));
        let mut config = quick();
        config.model.target = crate::datasets::Target::Binary;
        assert!(fit(&config, &Compat::default(), None, 1).unwrap_err().to_string().contains("within 0 to 1"));
        let wild = UserModelConfig { learning_rate: 1e30, ..quick() };
        let error = fit(&wild, &Compat::default(), None, 1).unwrap_err();
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
    }

    #[test]
    fn a_saved_model_predicts_the_same_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_model.safetensors");
        let exposure = vec![1.0; log().0.len()];
        let config = UserModelConfig { learn_sensitivity: true, ..quick() };
        let model = fit(&config, &Compat::default(), Some(&exposure), 3).unwrap();
        model.save(&path).unwrap();
        let (users, items) = features();
        let loaded = Ensemble::load(&path, &users, &items, &Device::flex()).unwrap();
        let all =
            |model: &Ensemble| format!("{:?}", model.predict_all(&[0, 1, 2, 3], &[0, 1, 2, 3, 4]).unwrap());
        assert_eq!(all(&model), all(&loaded));
        assert_eq!(model.sensitivity(&[1], &[1]).unwrap(), loaded.sensitivity(&[1], &[1]).unwrap());
        assert_eq!(model.config(), loaded.config());

        let refused =
            |users: &Features| Ensemble::load(&path, users, &items, &Device::flex()).unwrap_err().to_string();
        assert!(refused(&Features::none(4)).contains("other features of users"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(refused(&users).contains("not a whole safetensors file"), "{}", refused(&users));
        let mut other = bytes.clone();
        let at = other.windows(10).position(|bytes| bytes == b"user-model").unwrap();
        other[at] = b'x';
        std::fs::write(&path, &other).unwrap();
        assert!(refused(&users).contains("expected `sextant-rl-env-user-model`"));
        std::fs::remove_file(&path).unwrap();
        assert!(Ensemble::load(&path, &users, &items, &Device::flex()).is_err());
    }
}
