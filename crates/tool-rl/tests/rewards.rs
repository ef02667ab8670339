//! Rewards: bounds under random play, the audit, what potentials leave as it was, the released rule's grid.

use rec_core::random::stream;
use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig, random_call};
use tool_rl::episode::play;
use tool_rl::reward::{audit_loop_exploit, rule_scores};
use tool_rl::{End, Episode, Limits, Scores, Shaper};

const PRESETS: [&str; 7] = [
    "steptool-paper",
    "steptool-released",
    "outcome-only",
    "gated",
    "gated-summed",
    "gated-by-reuse",
    "potential",
];

fn episodes() -> Vec<Episode> {
    let mut office = Backoffice::new(0.12).unwrap();
    let (limits, codec) = (Limits::default(), BackofficeCodec);
    let mut episodes = Vec::new();
    for index in 0..120 {
        let task = office.task(&TaskConfig::default(), index).unwrap();
        let mut rng = stream(3, "random", index);
        let mut expert = Expert::new(&task, &ExpertConfig::default(), index);
        let mut episode = play(&mut office, &task, index, &codec, &limits, |_, reply| match index % 2 {
            0 => random_call(&task, &mut rng),
            _ => {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            }
        });
        rule_scores(&mut episode);
        episode.check().unwrap();
        episodes.push(episode);
    }
    episodes
}

#[test]
fn bounds_hold_under_random_play() {
    let episodes = episodes();
    let leaves = [
        Shaper::FormatOk,
        Shaper::SchemaOk,
        Shaper::NewFacts,
        Shaper::ValueReuse,
        Shaper::LcsContribution(0.3),
        Shaper::NgramContribution(1),
        Shaper::Unproductive.times(-2.0),
        Shaper::Latency(3),
        Shaper::Clip(0.2, 0.4, Box::new(Shaper::Success)),
        Shaper::Gate(Box::new(Shaper::Success), Box::new(Shaper::Gained)),
        Shaper::Schedule(1.0, -1.0, Box::new(Shaper::Success)),
    ];
    let all = PRESETS.iter().map(|name| Shaper::preset(name).unwrap()).chain(leaves);
    for shaper in all {
        let (least, most) = shaper.bounds(14);
        let (least_sum, most_sum) = shaper.episode_bounds(14);
        assert!(least <= most && least_sum <= most_sum);
        for episode in &episodes {
            for progress in [0.0, 0.5, 1.0] {
                let rewards = shaper.rewards(episode, progress);
                let sum: f32 = rewards.iter().sum();
                assert!(
                    rewards.iter().all(|r| (least - 1e-6..=most + 1e-6).contains(r)),
                    "{shaper:?} {rewards:?}"
                );
                assert!((least_sum - 1e-5..=most_sum + 1e-5).contains(&sum), "{shaper:?}: {sum}");
                let parts = shaper.parts(episode, progress);
                let parts: f32 = parts.iter().flat_map(|(_, part)| part).sum();
                assert!((parts - sum).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn shaping_can_never_pay_more_than_the_outcome() {
    // 0.5 for facts less the costs, and 1 for the outcome.
    let (least, most) = Shaper::gated().episode_bounds(14);
    assert!((most - 1.5).abs() < 1e-6 && (least + 0.02 * 14.0).abs() < 1e-6, "{least} {most}");
}

#[test]
fn the_audit_finds_what_pays_for_idling() {
    for needed in 1..9_u32 {
        for horizon in needed as usize + 1..20 {
            let audit = audit_loop_exploit(&Shaper::steptool_paper(), needed, horizon);
            // Collecting and idling pays n + (H - n) / 2, solving at least n + 1.
            assert_eq!(audit.is_exploitable(), horizon > needed as usize + 2, "{needed} {horizon} {audit:?}");
            assert!(
                (audit.idling.0 - (needed as f32 + 0.5 * (horizon - needed as usize) as f32)).abs() < 1e-5
            );
            for safe in ["gated", "gated-summed", "outcome-only", "potential"] {
                let audit = audit_loop_exploit(&Shaper::preset(safe).unwrap(), needed, horizon);
                assert!(!audit.is_exploitable(), "{safe} {needed} {horizon} {audit:?}");
            }
        }
    }
}

#[test]
fn potentials_telescope() {
    for episode in episodes() {
        let phi = Shaper::KnownFacts.rewards(&episode, 0.0);
        for gamma in [1.0_f32, 0.9] {
            let shaped =
                Shaper::PotentialDifference(gamma, Box::new(Shaper::KnownFacts)).rewards(&episode, 0.0);
            let sum: f32 = shaped.iter().enumerate().map(|(at, reward)| gamma.powi(at as i32) * reward).sum();
            assert!((sum + phi[0]).abs() < 1e-4, "{sum} {}", phi[0]);
        }
    }
}

#[test]
fn summing_moves_rewards_without_changing_them() {
    for episode in episodes().iter().filter(|episode| episode.steps.len() > 1) {
        let (gated, summed) =
            (Shaper::gated().rewards(episode, 0.0), Shaper::gated().paid_at_end().rewards(episode, 0.0));
        assert!((gated.iter().sum::<f32>() - summed.iter().sum::<f32>()).abs() < 1e-5);
        assert!(summed[..summed.len() - 1].iter().all(|reward| *reward == 0.0));
    }
}

/// Three passes of 0 or 1 for success and 0 to 5 for contribution, averaged: multiples of 1/30.
#[test]
fn the_released_rule_gives_multiples_of_a_thirtieth() {
    let mut episode = episodes().into_iter().find(|episode| episode.steps.len() > 2).unwrap();
    episode.end = Some(End::Finished);
    episode.outcome.score = 2.5 / 3.0;
    for success in 0..=3 {
        for contribution in 0..=15 {
            for step in &mut episode.steps {
                let (success, contribution) = (success as f32 / 3.0, contribution as f32 / 15.0);
                step.scores = Some(Scores { success, contribution });
            }
            let rewards = Shaper::steptool_released().rewards(&episode, 0.0);
            let (last, steps) = rewards.split_last().unwrap();
            assert!((last - 2.5 / 3.0).abs() < 1e-6);
            for reward in steps {
                assert!((reward - (success as f32 / 3.0 + contribution as f32 / 15.0) / 2.0).abs() < 1e-6);
                assert!((reward * 30.0 - (reward * 30.0).round()).abs() < 1e-4, "{reward}");
            }
        }
    }
}
