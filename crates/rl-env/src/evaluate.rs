//! Judging: episodes against the true rewards.

use std::sync::Arc;

use crate::Result;
use crate::bits::MaskedRows;
use crate::metrics::Episodes;
use crate::states::States;
use crate::vec_env::{Autoreset, Mode, VecEnv, VecEnvConfig};
use crate::world::World;

/// Plays `episodes` episodes side by side in `world` in one of the test modes, on the true rewards: `act` answers each
/// batch of states with one item each, none of the masked ones. Users and starts come from `seed` alone, so two policies
/// can be judged on the same ones.
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
    mut states: States,
    mut act: impl FnMut(&States, Option<MaskedRows<'_>>, &mut Vec<u32>) -> Result<()>,
) -> Result<Episodes> {
    let config =
        VecEnvConfig { envs: episodes, seed, autoreset: Autoreset::Disabled, mode, cap_as_terminated: false };
    let mut env = VecEnv::new(Arc::clone(world), Arc::clone(&world.truth) as _, config)?;
    let mut active: Vec<usize> = (0..episodes).collect();
    let mut items = Vec::with_capacity(episodes);
    while !active.is_empty() {
        states.clear();
        env.states_into(&active, &mut states);
        act(&states, env.masked(&active), &mut items)?;
        env.step_at(&active, &items)?;
        active.retain(|&at| !env.is_done(at));
    }
    let mut played = Episodes::default();
    (0..episodes).for_each(|at| played.push(&env.trail(at)[1..], env.total_reward(at)));
    Ok(played)
}
