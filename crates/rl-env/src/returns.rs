//! Discounted returns and advantages over episodes that lie one after the other.

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

#[cfg(test)]
mod tests {
    use super::*;

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
