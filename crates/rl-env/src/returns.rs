//! Discounted returns and advantages over episodes that lie one after the other.

use crate::replay::Replay;

/// One step of an episode, for [`generalized_advantages`].
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it earned.
    pub reward: f32,
    /// The value of the state before it.
    pub value: f32,
    /// The value of the state after it; ignored if the user left.
    pub next_value: f32,
    /// Whether the user left: nothing comes after.
    pub terminated: bool,
    /// Whether the next step in the slice belongs to another episode.
    pub ended: bool,
}

/// For each step its advantage `A_t = d_t + gamma lambda A_{t+1}`, `d_t = r_t + gamma V(s_{t+1}) - V(s_t)` (Schulman et
/// al., 2016, eq. 16), where the value after a user left is 0 and the sum stops at the end of an episode. The return is
/// `A_t + V(s_t)`.
pub fn generalized_advantages(steps: &[Step], gamma: f32, lambda: f32) -> Vec<f32> {
    let mut advantages = vec![0.0; steps.len()];
    let mut after = 0.0;
    for (step, advantage) in steps.iter().zip(&mut advantages).rev() {
        let next = if step.terminated { 0.0 } else { step.next_value };
        let carried = if step.ended { 0.0 } else { after };
        after = step.reward + gamma * next - step.value + gamma * lambda * carried;
        *advantage = after;
    }
    advantages
}

/// What a transition and the ones after it earned, and where to go on from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NStep {
    /// `sum_k gamma^k r_{t+k}` over the `m` transitions that count.
    pub reward: f32,
    /// What the value of the state after the last of them is worth: `gamma^m`, or 0 if the user left there.
    pub discount: f32,
    /// The slot of the last of them.
    pub last: u32,
}

/// The `n`-step return of `slot` without the value it bootstraps from (Sutton, 1988).
///
/// The sum ends early where the episode does and at the newest transition of the environment. A turn limit ends the sum
/// but not the world: the state after it has a value. A user who left has none.
///
/// # Panics
/// If there is no such slot.
pub fn n_step(replay: &Replay, slot: u32, n: usize, gamma: f32) -> NStep {
    let mut step = NStep { reward: replay.reward(slot), discount: gamma, last: slot };
    for _ in 1..n {
        if replay.ended(step.last) {
            break;
        }
        let Some(next) = replay.next(step.last) else { break };
        step = NStep {
            reward: step.reward + step.discount * replay.reward(next),
            discount: step.discount * gamma,
            last: next,
        };
    }
    if replay.terminated(step.last) {
        step.discount = 0.0;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Transition;
    use crate::states::States;

    /// One environment of `capacity` slots in which the rewards 1, 2, 4, … were earned, `ends` (step, user left) apart.
    fn replay(capacity: usize, steps: usize, ends: &[(usize, bool)]) -> Replay {
        let mut states = States::new(1);
        states.push(0, &[0], &[0.0]);
        let mut replay = Replay::new(1, capacity, &states, 0);
        for step in 0..steps {
            let end = ends.iter().find(|end| end.0 == step);
            let transition = Transition {
                action: 0,
                vector: &[],
                reward: (1 << step) as f32,
                terminated: end.is_some_and(|end| end.1),
                truncated: end.is_some_and(|end| !end.1),
            };
            replay.push(0, &transition, &states, &states, 0);
        }
        replay
    }

    #[test]
    fn an_n_step_return_sums_n_rewards_and_bootstraps_after_them() {
        let replay = replay(8, 5, &[]);
        assert_eq!(n_step(&replay, 0, 1, 0.5), NStep { reward: 1.0, discount: 0.5, last: 0 });
        assert_eq!(n_step(&replay, 0, 3, 0.5), NStep { reward: 3.0, discount: 0.125, last: 2 });
    }

    #[test]
    fn an_n_step_return_stops_where_the_user_left_and_bootstraps_over_the_turn_limit() {
        let replay = replay(8, 5, &[(1, true), (3, false)]);
        assert_eq!(n_step(&replay, 0, 3, 0.5), NStep { reward: 2.0, discount: 0.0, last: 1 });
        assert_eq!(n_step(&replay, 1, 3, 0.5), NStep { reward: 2.0, discount: 0.0, last: 1 });
        assert_eq!(n_step(&replay, 2, 3, 0.5), NStep { reward: 8.0, discount: 0.25, last: 3 });
    }

    #[test]
    fn an_n_step_return_stops_at_the_newest_transition_of_a_ring_that_went_round() {
        // Slots 0 and 1 hold steps 4 and 5, slots 2 and 3 the older steps 2 and 3.
        let replay = replay(4, 6, &[]);
        assert_eq!(n_step(&replay, 2, 3, 0.5), NStep { reward: 4.0 + 4.0 + 4.0, discount: 0.125, last: 0 });
        assert_eq!(n_step(&replay, 0, 3, 0.5), NStep { reward: 16.0 + 16.0, discount: 0.25, last: 1 });
        assert_eq!(n_step(&replay, 1, 3, 0.5), NStep { reward: 32.0, discount: 0.5, last: 1 });
    }

    #[test]
    fn with_lambda_one_and_no_values_advantages_are_discounted_returns_of_each_episode() {
        let step = |reward, ended| Step { reward, value: 0.0, next_value: 0.0, terminated: ended, ended };
        let advantages = generalized_advantages(
            &[step(1.0, false), step(2.0, false), step(4.0, true), step(3.0, true)],
            0.5,
            1.0,
        );
        assert_eq!(advantages, [3.0, 4.0, 4.0, 3.0]);
    }

    #[test]
    fn a_cut_episode_bootstraps_and_a_terminated_one_does_not() {
        let step = |terminated| Step { reward: 1.0, value: 0.5, next_value: 10.0, terminated, ended: true };
        assert_eq!(generalized_advantages(&[step(false)], 0.9, 0.95), [1.0 + 9.0 - 0.5]);
        assert_eq!(generalized_advantages(&[step(true)], 0.9, 0.95), [0.5]);
    }
}
