//! Coat's published and measured numbers, on the data set itself. Skipped where it is missing.
#![allow(clippy::print_stderr)]

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use rec_core::random;
use rec_core::statistics::{mean, standard_deviation};
use rl_env::evaluate::{play, uniform};
use rl_env::{
    EpisodeMetrics, ItemDistances, ItemTables, Likeness, Mode, Quit, QuitRule, Reward, RewardMatrix, States,
    WindowMode, World,
};

fn dense(name: &str) -> Option<rec_core::read::dense::Matrix> {
    let data = std::env::var_os("SEXTANT_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = data.join("coat").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    Some(rec_core::read::dense::matrix(BufReader::new(file), &path).unwrap())
}

fn truth() -> Option<Arc<RewardMatrix>> {
    let matrix = dense("coat_pseudoGT_ratingM.ascii")?;
    let cells = matrix.values.iter().map(|&cell| cell as f32).collect();
    Some(Arc::new(RewardMatrix::new(matrix.n_rows, matrix.n_columns, cells).unwrap()))
}

/// Shares of users who gave an item 3 or more.
fn popularity() -> Option<Vec<f32>> {
    let train = dense("train.ascii")?;
    let likes = |item: usize| (0..train.n_rows).filter(|&user| train.row(user)[item] >= 3.0).count();
    Some((0..train.n_columns).map(|item| likes(item) as f32 / train.n_rows as f32).collect())
}

#[test]
fn values_and_distances_are_the_measured_ones() {
    let Some(truth) = truth() else { return };
    assert_eq!((truth.n_users(), truth.n_items(), truth.range()), (290, 300, (1.0, 5.0)));
    let mut counts = [0; 6];
    for user in 0..290 {
        (0..300).for_each(|item| counts[truth.get(user, item) as usize] += 1);
    }
    assert_eq!(counts, [0, 12006, 47238, 23287, 4353, 116]);

    // Percentiles 0, 10, 25, 50, 75, 90 and 100 over all 300 x 300 pairs, as squares: 7.48331, 8.83176, 10.67708, 13.11488,
    // 16.12452 and 30.88689.
    let distances = ItemDistances::of(&truth);
    let mut all: Vec<f64> =
        (0..300).flat_map(|i| (0..300).map(move |j| (i, j))).map(|(i, j)| distances.squared(i, j)).collect();
    all.sort_unstable_by(f64::total_cmp);
    let percentiles = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0].map(|percent: f64| {
        let place = percent / 100.0 * (all.len() - 1) as f64;
        assert_eq!(all[place.floor() as usize], all[place.ceil() as usize]);
        all[place as usize]
    });
    assert_eq!(percentiles, [0.0, 56.0, 78.0, 114.0, 172.0, 260.0, 954.0]);

    let close = distances.too_close(&truth, 6.0);
    let pairs: usize = (0..300).map(|item| close.count(item) - 1).sum();
    let share = 100.0 * pairs as f64 / (300.0 * 299.0);
    assert!((share - 1.668).abs() < 5e-4, "{share}");
}

/// Metrics of batches of 100 episodes of the uniform random policy.
fn batches(mode: Mode, window: WindowMode) -> Option<Vec<EpisodeMetrics>> {
    let (truth, popularity) = (truth()?, popularity()?);
    let distances = Arc::new(ItemDistances::of(&truth));
    let rule = QuitRule::Distance(distances.too_close(&truth, 6.0));
    let quit = Quit { rule, window: 7, mode: window };
    let world = Arc::new(World::new(truth, quit, 30, true).unwrap());
    let tables = ItemTables::new(Likeness::Distance(distances), popularity, vec![]).unwrap();
    let one = |seed| {
        let act = uniform(300, random::stream(seed, "uniform", 0));
        let episodes = play(&world, mode, 100, seed, 0, States::new(1), act).unwrap();
        EpisodeMetrics::of(&episodes, &tables)
    };
    Some((0..200).map(one).collect())
}

/// Expects the mean over batches within two standard errors of one that was measured over `over` of them; `rounding` is
/// half of the last digit that was written down.
#[track_caller]
fn expect(
    batches: &[EpisodeMetrics],
    of: fn(&EpisodeMetrics) -> f64,
    over: usize,
    measured: f64,
    rounding: f64,
) {
    let values: Vec<f64> = batches.iter().map(of).collect();
    let error = standard_deviation(&values) * (1.0 / values.len() as f64 + 1.0 / over as f64).sqrt();
    let found = mean(&values);
    eprintln!("{found:.4} (sd {:.4}), measured {measured}", standard_deviation(&values));
    assert!(
        (found - measured).abs() <= 2.0 * error + rounding,
        "{found} is not {measured} (standard error {error})"
    );
}

#[test]
fn a_random_policy_earns_what_was_measured_with_the_reference_s_window() {
    let Some(free) = batches(Mode::FreeB, WindowMode::PythonSlice) else { return };
    expect(&free, |m| m.length, 100, 12.67, 0.005);
    expect(&free, |m| m.cumulative_reward, 100, 28.4, 0.05);
    expect(&free, |m| m.average_reward, 100, 2.243, 0.0005);
    expect(&free, |m| m.coverage, 100, 0.984, 0.0005);
    expect(&free, |m| m.diversity, 10, 0.901, 0.0005);
    expect(&free, |m| m.novelty, 10, 3.476, 0.0005);
    let Some(masked) = batches(Mode::Nx0, WindowMode::PythonSlice) else { return };
    expect(&masked, |m| m.length, 100, 13.94, 0.005);
    expect(&masked, |m| m.cumulative_reward, 100, 31.2, 0.05);
}

#[test]
fn a_random_policy_earns_what_was_measured_with_the_exact_window() {
    let Some(free) = batches(Mode::FreeB, WindowMode::Exact) else { return };
    expect(&free, |m| m.length, 100, 11.63, 0.005);
    expect(&free, |m| m.cumulative_reward, 100, 26.1, 0.05);
    let Some(masked) = batches(Mode::Nx0, WindowMode::Exact) else { return };
    expect(&masked, |m| m.length, 100, 13.06, 0.005);
    expect(&masked, |m| m.cumulative_reward, 100, 29.1, 0.05);
    let Some(forced) = batches(Mode::NxX(10), WindowMode::Exact) else { return };
    assert!(forced.iter().all(|metrics| metrics.length == 10.0));
}
