//! Training from end to end in a small world: it learns, and a broken run ends as an unbroken one.
#![cfg(feature = "flex")]

use std::sync::Arc;

use burn::tensor::Device;
use rec_core::run::{Observer, Progress, RunFolder, Start};
use rl_env::bits::BitMatrix;
use rl_env::metrics::ItemTables;
use rl_env::policy::{A2c, A2cConfig};
use rl_env::tracker::ItemVectors;
use rl_env::train::{Judged, Task, TrainConfig, fit};
use rl_env::{Quit, QuitRule, RewardMatrix, WindowMode, World};

const USERS: usize = 8;
const ITEMS: usize = 12;

/// Items earn 1 to 5, the same for all users up to a shift; an immediate repeat makes users leave.
fn task() -> Task {
    let cells =
        (0..USERS * ITEMS).map(|cell| ((cell % ITEMS) % 5) as f32 + 1.0 - 0.1 * (cell / ITEMS) as f32);
    let truth = Arc::new(RewardMatrix::new(USERS, ITEMS, cells.collect()).unwrap());
    let mut close = BitMatrix::new(ITEMS, ITEMS);
    (0..ITEMS).for_each(|item| close.insert(item, item));
    let quit = Quit { rule: QuitRule::Distance(close), window: 1, mode: WindowMode::Exact };
    let world = Arc::new(World::new(Arc::clone(&truth), quit, 10, true).unwrap());
    let tables = Arc::new(ItemTables::plain(ITEMS));
    Task { world, tables, reward: truth, log: None }
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 6,
        episode_steps_per_epoch: 1500,
        envs: 20,
        judge_episodes: 50,
        checkpoint_every: 2,
        seed: 7,
        ..TrainConfig::default()
    }
}

fn policy() -> A2c {
    a2c(A2cConfig { learning_rate: 2e-2, batch_size: 128, ..A2cConfig::default() })
}

fn a2c(config: A2cConfig) -> A2c {
    // One-hot, so that a policy that sees the last item can know which one it was.
    let values = (0..ITEMS * ITEMS).map(|cell| f32::from(u8::from(cell / ITEMS == cell % ITEMS))).collect();
    let items = ItemVectors { dim: ITEMS, values };
    A2c::new(&config, &items, 7, &Device::flex()).unwrap()
}

/// Keeps what was told; stops the process's training after some epochs by panicking, as a kill would.
#[derive(Default)]
struct Watch {
    seen: Vec<(usize, Vec<(String, u64)>)>,
    die_after: Option<usize>,
}

impl Observer for Watch {
    fn progress(&mut self, progress: &Progress<'_>) {
        let timing = |name: &str| name.starts_with("seconds");
        let values = progress.values.iter().filter(|(name, _)| !timing(name));
        self.seen.push((
            progress.epoch,
            values.map(|(name, value)| (name.to_string(), value.to_bits())).collect(),
        ));
        assert!(self.die_after != Some(progress.epoch), "killed");
    }
}

fn run(threads: usize) -> (Judged, Watch) {
    let mut watch = Watch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let judged = pool.install(|| fit(&mut policy(), &task(), &config(), None, &mut watch)).unwrap();
    (judged, watch)
}

#[test]
fn a2c_learns_to_take_good_items_without_repeating_them() {
    let config = TrainConfig { epochs: 100, ..config() };
    let a2c_config =
        A2cConfig { learning_rate: 5e-3, entropy_weight: 0.02, batch_size: 128, ..A2cConfig::default() };
    let mut watch = Watch::default();
    let judged = fit(&mut a2c(a2c_config), &task(), &config, None, &mut watch).unwrap();
    // Uniform play earns 2.6 a turn and stays for 6.5 turns: 17 in all.
    assert!(judged.free.length > 8.0, "{judged:?}");
    assert!(judged.free.average_reward > 3.6, "{judged:?}");
    assert!(judged.free.cumulative_reward > 35.0, "{judged:?}");
}

#[test]
fn a_judgement_that_cannot_be_made_is_refused_before_training() {
    let mut watch = Watch::default();
    let long = TrainConfig { forced_length: 11, ..config() };
    let error = fit(&mut policy(), &task(), &long, None, &mut watch).unwrap_err().to_string();
    assert_eq!(error, "forced_length: is 11; accepts 1 to the world's max_turn, 10");
    // Twelve items do not last for a walk of twenty without repeats.
    let mut small = task();
    small.world = Arc::new(World { max_turn: 20, ..(*small.world).clone() });
    let error = fit(&mut policy(), &small, &config(), None, &mut watch).unwrap_err().to_string();
    assert_eq!(error, "mode: NX_0 needs 20 different items; there are 12");
    assert!(watch.seen.is_empty());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    assert_eq!(run(1).1.seen, run(2).1.seen);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let (whole, watch) = run(1);
    let temporary = tempfile::tempdir().unwrap();
    let open = |start| RunFolder::open(temporary.path().join("run"), &config(), start).unwrap();

    let mut dying = Watch { die_after: Some(5), ..Watch::default() };
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fit(&mut policy(), &task(), &config(), Some(&mut open(Start::New)), &mut dying)
    }));
    assert!(died.is_err());
    let mut rest = Watch::default();
    let resumed = fit(&mut policy(), &task(), &config(), Some(&mut open(Start::Resume)), &mut rest).unwrap();
    // Epoch 4 was the last with a checkpoint.
    assert_eq!(rest.seen, watch.seen[4..]);
    assert_eq!(resumed, whole);

    // A finished run is judged again from its checkpoint.
    let again = fit(&mut policy(), &task(), &config(), Some(&mut open(Start::Resume)), &mut ()).unwrap();
    assert_eq!(again, whole);
}
