//! Judging: episodes against the true rewards.

use std::sync::Arc;

use rand::RngExt;
use rec_core::random::Random;

use crate::Result;
use crate::bits::{BitMatrix, MaskedRows};
use crate::metrics::Episodes;
use crate::states::States;
use crate::vec_env::{Autoreset, Mode, VecEnv, VecEnvConfig};
use crate::world::World;

/// Plays `episodes` episodes side by side in `world` in one of the test modes, on the true rewards: `act` answers each
/// batch of states with one item each, none of the masked ones. Users and starts come from `seed` alone, so two policies
/// can be judged on the same ones.
///
/// Where items may come again, an item taken in the last `apart` turns is masked all the same; 0 leaves that to `act`.
///
/// `states` says how many pairs `act` sees and how their rewards are scaled; its content is lost.
///
/// # Errors
/// If `act` fails, or answers with an item that does not exist or is masked.
pub fn play(
    world: &Arc<World>,
    mode: Mode,
    episodes: usize,
    seed: u64,
    apart: usize,
    mut states: States,
    mut act: impl FnMut(&States, Option<MaskedRows<'_>>, &mut Vec<u32>) -> Result<()>,
) -> Result<Episodes> {
    let config =
        VecEnvConfig { envs: episodes, seed, autoreset: Autoreset::Disabled, mode, cap_as_terminated: false };
    let mut env = VecEnv::new(Arc::clone(world), Arc::clone(&world.truth) as _, config)?;
    let mut active: Vec<usize> = (0..episodes).collect();
    let mut items = Vec::with_capacity(episodes);
    let mut latest = BitMatrix::new(if apart > 0 { episodes } else { 0 }, world.n_items());
    while !active.is_empty() {
        states.clear();
        env.states_into(&active, &mut states);
        let mut masked = env.masked(&active);
        if masked.is_none() && apart > 0 {
            for &at in &active {
                latest.clear(at);
                let taken = &env.trail(at)[1..];
                taken.iter().rev().take(apart).for_each(|&item| latest.insert(at, item as usize));
            }
            masked = Some(MaskedRows { bits: &latest, rows: &active });
        }
        act(&states, masked, &mut items)?;
        env.step_at(&active, &items)?;
        active.retain(|&at| !env.is_done(at));
    }
    let mut played = Episodes::default();
    (0..episodes).for_each(|at| played.push(&env.trail(at)[1..], env.total_reward(at)));
    Ok(played)
}

/// The policy that every other has to beat, for [`play`]: any of `n_items` items that is not masked, all alike.
///
/// Where all items are masked it answers with item 0, which is refused.
pub fn uniform(
    n_items: usize,
    mut rng: Random,
) -> impl FnMut(&States, Option<MaskedRows<'_>>, &mut Vec<u32>) -> Result<()> {
    move |states, masked, items| {
        items.clear();
        for state in 0..states.len() {
            let free = |item: &u32| masked.is_none_or(|masked| !masked.contains(state, *item));
            // Few items are masked as a rule, so that one of some draws is free; looking at all items always helps.
            let drawn = (0..16).map(|_| rng.random_range(0..n_items as u32)).find(free);
            items.push(drawn.unwrap_or_else(|| {
                let all: Vec<u32> = (0..n_items as u32).filter(free).collect();
                if all.is_empty() { 0 } else { all[rng.random_range(0..all.len())] }
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rec_core::random;

    use super::*;
    use crate::{Quit, QuitRule, RewardMatrix, WindowMode};

    #[test]
    fn a_uniform_choice_is_uniform_over_what_is_not_masked() {
        let mut seen = BitMatrix::new(3, 70);
        (0..70).filter(|item| item % 35 != 1).for_each(|item| seen.insert(1, item));
        (0..70).for_each(|item| seen.insert(2, item));
        let mut states = States::new(1);
        let rows: Vec<usize> = (0..4000).map(|state| state % 3).collect();
        rows.iter().for_each(|_| states.push(0, &[70], &[0.0]));
        let mut act = uniform(70, random::stream(1, "test", 0));
        let mut items = Vec::new();
        act(&states, Some(MaskedRows { bits: &seen, rows: &rows }), &mut items).unwrap();
        let mut counts = [[0; 70]; 2];
        for (&row, &item) in rows.iter().zip(&items).filter(|(row, _)| **row < 2) {
            counts[row][item as usize] += 1;
        }
        // About 19 of each of 70, and half of 1333 of each of the two that are free.
        assert!(counts[0].iter().all(|count| (3..45).contains(count)), "{:?}", counts[0]);
        assert_eq!(counts[1][1] + counts[1][36], 1333);
        assert!((580..753).contains(&counts[1][1]), "{}", counts[1][1]);
        act(&states, None, &mut items).unwrap();
        assert!(items.len() == 4000 && items.iter().all(|&item| item < 70));
    }

    #[test]
    fn items_are_kept_apart_where_they_may_come_again() {
        let truth = Arc::new(RewardMatrix::new(4, 25, vec![1.0; 100]).unwrap());
        let quit = Quit { rule: QuitRule::Never, window: 1, mode: WindowMode::Exact };
        let world = Arc::new(World::new(truth, quit, 20, true).unwrap());
        let run = |mode, apart| {
            let act = uniform(world.n_items(), random::stream(2, "test", 0));
            play(&world, mode, 300, 5, apart, States::new(1), act).unwrap()
        };
        let least_gap = |episodes: &Episodes| {
            let gaps = episodes.items().flat_map(|items| {
                (0..items.len()).filter_map(move |at| {
                    items[..at].iter().rev().position(|item| *item == items[at]).map(|gap| gap + 1)
                })
            });
            gaps.min().unwrap_or(usize::MAX)
        };
        assert_eq!(least_gap(&run(Mode::FreeB, 0)), 1);
        assert_eq!(least_gap(&run(Mode::FreeB, 4)), 5);
        assert_eq!(least_gap(&run(Mode::Nx0, 2)), usize::MAX);
    }
}
