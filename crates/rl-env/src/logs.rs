//! Logs as episodes, for policies that learn without acting.

use rand::RngExt;
use rand::seq::SliceRandom;
use rec_core::random;
use serde::{Deserialize, Serialize};

use crate::replay::LoggedSteps;
use crate::{Error, Result, Source, World};

/// How often and in which order a user's log is lived through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOrder {
    /// Once, in the order of time.
    #[default]
    Sequential,
    /// Ten times in the order of time, each time from a later start: after 0, 1, … 9 tenths of the log.
    Convolution,
    /// Ten times, all rows shuffled: orders that did not happen. Rows come again within an episode.
    Counterfactual,
    /// Ten times, each time in another order and as episodes of its own, so that no row comes twice in one: for logs
    /// that do not tell times, whose order is only that of the items' numbers.
    Shuffled,
}

/// How often all orders but the sequential one go over a log.
const PASSES: usize = 10;

/// An episode that a log tells.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEpisode {
    /// The user: a row of the truth.
    pub user: u32,
    /// The item that it starts from, drawn at random as in the environments.
    pub start: u32,
    /// What was taken, in order: columns of the truth.
    pub items: Vec<u32>,
    /// What each item earned, scaled to 0 to 1 over the whole log.
    pub rewards: Vec<f32>,
    /// Whether the user would have left after the last item; otherwise the turn limit or the log ended it.
    pub terminated: bool,
}

impl LoggedEpisode {
    /// The same, borrowed: what a [`Replay`](crate::replay::Replay) is made from.
    pub fn steps(&self) -> LoggedSteps<'_> {
        LoggedSteps {
            user: self.user,
            start: self.start,
            items: &self.items,
            rewards: &self.rewards,
            terminated: self.terminated,
        }
    }
}

/// Cuts the log of `source` into episodes by the rule of `world`: where its users would have left, or at the turn limit,
/// an episode ends and the next begins.
///
/// Users and items that the truth does not have are left out. Each user's rows stay that user's, and no row is lost:
/// the reference gives rows of users outside KuaiRec's small matrix to random ones row by row, which tears their
/// trajectories apart, and sizes its buffers before that, so that some overflow.
///
/// # Errors
/// If no row of the log belongs to the truth.
pub fn logged_episodes(
    source: &Source,
    world: &World,
    order: LogOrder,
    seed: u64,
) -> Result<Vec<LoggedEpisode>> {
    let (least, most) = source.log.range().unwrap_or_default();
    let scaled = |target: f32| if most > least { (target - least) / (most - least) } else { 0.0 };
    let columns = source.item_columns();
    let (offsets, rows) = source.log.by_user(source.users.rows);
    let mut episodes = Vec::new();
    for (user, &of_log) in source.truth_users.iter().enumerate() {
        let of_log = of_log as usize;
        let steps: Vec<(u32, f32)> = rows[offsets[of_log]..offsets[of_log + 1]]
            .iter()
            .filter_map(|&row| {
                let item = columns[source.log.items[row as usize] as usize]?;
                Some((item, scaled(source.log.targets[row as usize])))
            })
            .collect();
        let mut rng = random::stream(seed, "logged episodes", user as u64);
        match order {
            LogOrder::Sequential => live(user, &steps, world, &mut rng, &mut episodes),
            LogOrder::Convolution => {
                let stride = steps.len().div_ceil(PASSES).max(1);
                for start in (0..steps.len()).step_by(stride) {
                    live(user, &steps[start..], world, &mut rng, &mut episodes);
                }
            }
            LogOrder::Counterfactual => {
                let mut steps = steps.repeat(PASSES);
                steps.shuffle(&mut rng);
                live(user, &steps, world, &mut rng, &mut episodes);
            }
            LogOrder::Shuffled => {
                let mut steps = steps;
                for _ in 0..PASSES {
                    steps.shuffle(&mut rng);
                    live(user, &steps, world, &mut rng, &mut episodes);
                }
            }
        }
    }
    if episodes.is_empty() {
        return Err(Error::invalid(format!(
            "{}: no row of the log has a user and an item of the truth",
            source.name
        )));
    }
    Ok(episodes)
}

fn live(
    user: usize,
    steps: &[(u32, f32)],
    world: &World,
    rng: &mut random::Random,
    episodes: &mut Vec<LoggedEpisode>,
) {
    let begin = |rng: &mut random::Random| LoggedEpisode {
        user: user as u32,
        start: match world.random_start {
            true => rng.random_range(0..world.n_items() as u32),
            false => world.n_items() as u32,
        },
        items: Vec::new(),
        rewards: Vec::new(),
        terminated: false,
    };
    let mut episode = begin(rng);
    for &(item, reward) in steps {
        episode.terminated = !episode.items.is_empty() && world.quit.quits(item, &episode.items);
        episode.items.push(item);
        episode.rewards.push(reward);
        if episode.terminated || episode.items.len() == world.max_turn {
            episodes.push(std::mem::replace(&mut episode, begin(rng)));
        }
    }
    if !episode.items.is_empty() {
        episodes.push(episode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::CoatLike;

    fn small() -> (Source, World) {
        let source =
            CoatLike { users: 20, items: 40, log_per_user: 24, ..CoatLike::default() }.generate().unwrap();
        let world = source.world(&source.quit).unwrap();
        (source, world)
    }

    fn of_user(episodes: &[LoggedEpisode], user: u32) -> Vec<u32> {
        episodes.iter().filter(|e| e.user == user).flat_map(|e| e.items.iter().copied()).collect()
    }

    #[test]
    fn sequential_episodes_are_the_log_cut_where_users_leave() {
        let (source, world) = small();
        let episodes = logged_episodes(&source, &world, LogOrder::Sequential, 1).unwrap();
        let (offsets, rows) = source.log.by_user(20);
        for user in 0..20 {
            let log: Vec<u32> = rows[offsets[user]..offsets[user + 1]]
                .iter()
                .map(|&row| source.log.items[row as usize])
                .collect();
            assert_eq!(of_user(&episodes, user as u32), log, "the truth has the log's items in order");
        }
        for episode in &episodes {
            for (turn, &item) in episode.items.iter().enumerate().skip(1) {
                let quits = world.quit.quits(item, &episode.items[..turn]);
                assert_eq!(quits, episode.terminated && turn + 1 == episode.items.len());
            }
            assert!(episode.rewards.iter().all(|reward| (0.0..=1.0).contains(reward)));
        }
    }

    #[test]
    fn the_other_orders_go_over_the_log_ten_times() {
        let (source, world) = small();
        let counter = logged_episodes(&source, &world, LogOrder::Counterfactual, 1).unwrap();
        let once = logged_episodes(&source, &world, LogOrder::Sequential, 1).unwrap();
        let mut ten = of_user(&once, 3).repeat(10);
        let mut shuffled = of_user(&counter, 3);
        assert_ne!(ten, shuffled);
        ten.sort_unstable();
        shuffled.sort_unstable();
        assert_eq!(ten, shuffled);
        // 24 rows from every third: 24 + 21 + … + 3.
        let suffixes = logged_episodes(&source, &world, LogOrder::Convolution, 1).unwrap();
        assert_eq!(of_user(&suffixes, 3).len(), 108);
    }

    #[test]
    fn shuffled_episodes_repeat_nothing() {
        let (source, world) = small();
        let shuffled = logged_episodes(&source, &world, LogOrder::Shuffled, 1).unwrap();
        let once = logged_episodes(&source, &world, LogOrder::Sequential, 1).unwrap();
        let (mut ten, mut found) = (of_user(&once, 3).repeat(10), of_user(&shuffled, 3));
        assert_ne!(ten, found);
        ten.sort_unstable();
        found.sort_unstable();
        assert_eq!(ten, found);
        for episode in &shuffled {
            let mut items = episode.items.clone();
            items.sort_unstable();
            items.dedup();
            assert_eq!(items.len(), episode.items.len());
        }
    }
}
