//! The cases of `bench` that read a data set: DirectAU's and LightGCN's epochs, ranking, and the models in closed form.

use cf_align::fused::FusedEngine;
use cf_align::train::TrainingEngine;
use cf_align::{
    Ease, EaseConfig, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Loss, ModelConfig, Session, Training, batches,
};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use rec_core::{Recommender, Split, UserItems};

use super::{Input, NDCG_TEST, NDCG_VALID, Sample, Times, median, named, timed, times};
use crate::error::{Error, Result};

/// Epochs that are timed; the first of them warms up caches and is left out. A process with fewer is over before the operating
/// system has spread its threads over the cores.
const EPOCHS: usize = 16;

fn short(config: ModelConfig, batch_size: usize, epochs: usize) -> ModelConfig {
    let training = Training {
        batch_size,
        epochs,
        // Validation is timed by another case.
        evaluate_every: epochs,
        measure_every: 0,
        ..config.training
    };
    ModelConfig { training, ..config }
}

fn fit(input: &Input, config: &ModelConfig) -> Result<cf_align::Fitted> {
    let mut nobody = ();
    let session = Session::new(&mut nobody);
    Ok(cf_align::fit(config, &input.split, input.dataset.n_users(), input.dataset.n_items(), session)?)
}

pub fn epoch(input: &Input, config: ModelConfig, batch_size: usize) -> Times {
    let fitted = fit(input, &short(config, batch_size, EPOCHS))?;
    let seconds = fitted.history.iter().skip(1).filter_map(|epoch| epoch.get("seconds"));
    let middle = median(seconds.collect()).ok_or_else(|| Error::Failed("no epoch was timed".into()))?;
    times(&[("epoch", middle)])
}

/// Seconds of a step, and of a matrix product of as many operations as its uniformity tiles: their ratio is the
/// share of the machine's measured GEMM peak that a whole step reaches.
pub fn gemm_share(input: &Input, batch_size: usize) -> Times {
    let config = short(ModelConfig::directau(), batch_size, EPOCHS);
    let (n_users, n_items) = (input.dataset.n_users(), input.dataset.n_items());
    let mut engine = FusedEngine::new(&config, &input.split.train, n_users, n_items)?;
    let steps = batches::batches(&input.split.train.pairs().collect::<Vec<_>>(), batch_size).count() as f64;
    let mut seconds = Vec::new();
    for number in 0..EPOCHS {
        let (done, time) = timed(|| engine.train_epoch(number));
        done?;
        seconds.push(time / steps);
    }
    let step = median(seconds[1..].to_vec()).expect("there are epochs after the first");
    const N: usize = 1024;
    let left = Mat::<f32>::from_fn(N, N, |i, j| (i * 7 + j) as f32 % 3.0);
    let right = left.clone();
    let mut product = Mat::<f32>::zeros(N, N);
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let ((), time) = timed(|| {
            matmul(product.as_mut(), Accum::Replace, left.as_ref(), right.as_ref(), 1.0, Par::rayon(0));
        });
        best = best.min(time);
    }
    let gemm = best * engine.last_epoch_flops() / steps / (2.0 * (N as f64).powi(3));
    times(&[("step", step), ("gemm", gemm)])
}

pub fn evaluate(input: &Input) -> Times {
    let fitted = fit(input, &short(ModelConfig::directau(), 1024, 1))?;
    let (n_users, n_items) = (input.dataset.n_users(), input.dataset.n_items());
    let measures = [Measure::Recall, Measure::Mrr, Measure::Ndcg, Measure::Hit, Measure::Precision];
    let evaluator = Evaluator::validation(&input.split, n_users, n_items)?
        .with_metrics(&Metric::grid(&measures, &[20]))?;
    let (first, _) = timed(|| evaluator.evaluate(&fitted.embeddings));
    first?;
    let (second, all) = timed(|| evaluator.evaluate(&fitted.embeddings));
    second?;
    let rank = recommend(&fitted.embeddings, input)?;
    times(&[("evaluate", all), ("rank", rank)])
}

/// Seconds for the top 20 of all users with training rows, what they have seen left out; the second time counts.
fn recommend(model: &dyn Recommender, input: &Input) -> Result<f64> {
    let train = UserItems::new(&input.split.train, input.dataset.n_users(), input.dataset.n_items());
    let queries: Vec<rec_core::Query<'_>> = (0..train.n_users())
        .map(rec_core::UserId::from_index)
        .filter(|&user| !train.row(user).is_empty())
        .map(|user| rec_core::Query {
            user: Some(user),
            history: train.row(user),
            exclude: train.row(user),
            candidates: None,
        })
        .collect();
    let all = || -> Result<()> {
        for block in queries.chunks(1024) {
            model.recommend(block, 20)?;
        }
        Ok(())
    };
    all()?;
    let (done, seconds) = timed(all);
    done?;
    Ok(seconds)
}

fn train_rows(input: &Input) -> UserItems {
    UserItems::new(&input.split.train, input.dataset.n_users(), input.dataset.n_items())
}

pub fn ials(input: &Input) -> Times {
    let train = train_rows(input);
    let (model, fit) = timed(|| Ials::fit(&train, &IalsConfig::default()));
    let model = model?;
    let sample = times(&[("fit", fit), ("recommend", recommend(&model, input)?)])?;
    Ok(Sample { quality: named(&[(NDCG_TEST, ndcg(Evaluator::test, &model, input)?)]), ..sample })
}

/// A whole training with a validation after each epoch: what people wait for.
pub fn validated(input: &Input) -> Times {
    let config = ModelConfig::directau();
    let training = Training {
        batch_size: 1024,
        learning_rate: 1e-2,
        epochs: 40,
        patience: 40,
        measure_every: 0,
        ..config.training
    };
    let config = ModelConfig { loss: Loss::DirectAu { gamma: 0.4, dedup: false }, training, ..config };
    let (fitted, seconds) = timed(|| fit(input, &config));
    let model = fitted?.embeddings;
    let quality = named(&[
        (NDCG_VALID, ndcg(Evaluator::validation, &model, input)?),
        (NDCG_TEST, ndcg(Evaluator::test, &model, input)?),
    ]);
    Ok(Sample { quality, ..times(&[("fit", seconds)])? })
}

/// NDCG@20 on one part of the split.
fn ndcg(
    part: fn(&Split, usize, usize) -> rec_core::Result<Evaluator>,
    model: &dyn Recommender,
    input: &Input,
) -> Result<f64> {
    let metric = Metric::at(Measure::Ndcg, 20);
    let evaluator =
        part(&input.split, input.dataset.n_users(), input.dataset.n_items())?.with_metrics(&[metric])?;
    let value = evaluator.evaluate(model)?.get(&metric.to_string());
    value.ok_or_else(|| Error::Failed(format!("there is no {metric}")))
}

pub fn item_knn(input: &Input) -> Times {
    let train = train_rows(input);
    let (model, fit) = timed(|| ItemKnn::fit(&train, &ItemKnnConfig::default()));
    times(&[("fit", fit), ("recommend", recommend(&model?, input)?)])
}

pub fn ease(input: &Input) -> Times {
    let train = train_rows(input);
    let (model, fit) = timed(|| Ease::fit(&train, &EaseConfig::default()));
    times(&[("fit", fit), ("recommend", recommend(&model?, input)?)])
}
