//! A bonus for what is unlike the episode so far and for what is rare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ItemSimilarity, Predicted, not_negative, same_number};
use crate::{Compat, Error, Result, Reward};

/// Settings of [`Intrinsic`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntrinsicConfig {
    /// The weight of diversity: 0.1; published 0.1 on Coat, 0.2 on MovieLens, 0.005 on KuaiRec.
    pub lambda_diversity: f32,
    /// The weight of novelty: 0.1; published 0.05 on Coat, 0.2 on MovieLens, 0.001 on KuaiRec.
    pub lambda_novelty: f32,
    /// The most turns of an episode. Only [`Compat::intrinsic_padding`] looks at it.
    pub max_turn: usize,
}

impl Default for IntrinsicConfig {
    fn default() -> Self {
        Self { lambda_diversity: 0.1, lambda_novelty: 0.1, max_turn: 30 }
    }
}

impl IntrinsicConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        not_negative("intrinsic.lambda_diversity", self.lambda_diversity)?;
        not_negative("intrinsic.lambda_novelty", self.lambda_novelty)?;
        if self.max_turn < 2 {
            let what = format!("is {}; accepts whole numbers from 2", self.max_turn);
            return Err(Error::config("intrinsic.max_turn", what));
        }
        Ok(())
    }
}

/// `r(u, a) = R(u, a) - min R + lambda_d mean_s(1 - S(a_s, a)) + lambda_n (-ln(p_a + 1e-10))`: the mean goes over the items
/// of the episode before `a` (0 at its start), `S` is the items' similarity, `p` their popularity (EasyRL4Rec, Yu et al.,
/// 2024).
#[derive(Clone, Debug)]
pub struct Intrinsic {
    predicted: Arc<Predicted>,
    similarity: ItemSimilarity,
    /// `lambda_n (-ln(p + 1e-10))` of each item.
    novelty: Arc<[f32]>,
    config: IntrinsicConfig,
    /// [`Compat::intrinsic_padding`].
    padding: bool,
    least: f32,
    range: (f32, f32),
}

impl Intrinsic {
    /// The reward of these predictions. `popularity` holds for each item the share of users who took it; where it is 0
    /// the novelty is 23.
    ///
    /// # Errors
    /// If a setting does not hold, the numbers of items differ or a popularity is not within 0 to 1.
    pub fn new(
        predicted: Arc<Predicted>,
        similarity: ItemSimilarity,
        popularity: &[f32],
        config: &IntrinsicConfig,
        compat: &Compat,
    ) -> Result<Self> {
        config.validate()?;
        let n_items = predicted.mean.n_items();
        same_number("items with similarities", similarity.n_items(), n_items)?;
        same_number("popularities", popularity.len(), n_items)?;
        if let Some(item) = popularity.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let what = format!("the popularity of item {item} is {}, not within 0 to 1", popularity[item]);
            return Err(Error::invalid(what));
        }
        let novelty: Arc<[f32]> =
            popularity.iter().map(|&p| config.lambda_novelty * -(f64::from(p) + 1e-10).ln() as f32).collect();
        let (least, most) = predicted.mean_range();
        let range = if compat.intrinsic_padding {
            (0.0, most - least)
        } else {
            let (low, high) =
                novelty.iter().fold((f32::MAX, f32::MIN), |(low, high), &n| (low.min(n), high.max(n)));
            (low, most - least + config.lambda_diversity + high)
        };
        let padding = compat.intrinsic_padding;
        Ok(Self { predicted, similarity, novelty, config: *config, padding, least, range })
    }

    /// The mean of `1 - S(a_s, item)`.
    #[inline]
    fn diversity(&self, item: u32, taken: &[u32]) -> f32 {
        let unlike = |&other: &u32| 1.0 - self.similarity.similarity(other, item);
        if !self.padding {
            return taken.iter().map(unlike).sum::<f32>() / taken.len().max(1) as f32;
        }
        // The reference: all but the last slot of an array of the longest episode, which holds the items before, the
        // current one (unlike itself by 0), and zeros.
        let slots = self.config.max_turn - 1;
        let before = &taken[..taken.len().min(slots)];
        let empty = slots.saturating_sub(taken.len() + 1);
        (before.iter().map(unlike).sum::<f32>() + empty as f32 * unlike(&0)) / slots as f32
    }
}

impl Reward for Intrinsic {
    fn n_users(&self) -> usize {
        self.predicted.mean.n_users()
    }

    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, taken: &[u32]) -> f32 {
        self.predicted.mean.get(user, item) - self.least
            + self.config.lambda_diversity * self.diversity(item, taken)
            + self.novelty[item as usize]
    }

    /// `[lambda_n min n, max R - min R + lambda_d + lambda_n max n]` with `n` the novelties. The reference, and
    /// [`Compat::intrinsic_padding`], tell the base reward's range, which rewards exceed.
    fn range(&self) -> (f32, f32) {
        self.range
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Base;
    use super::super::tests::{assert_within_range, predicted};
    use super::*;

    const POPULARITY: [f32; 4] = [0.5, 0.1, 0.0, 1.0];

    fn similarity() -> ItemSimilarity {
        ItemSimilarity::Tags([0b011, 0b001, 0b110, 0b100].into())
    }

    fn intrinsic(compat: &Compat) -> Intrinsic {
        let config = IntrinsicConfig { lambda_diversity: 0.3, lambda_novelty: 0.2, max_turn: 5 };
        Intrinsic::new(predicted(3, 4, 6), similarity(), &POPULARITY, &config, compat).unwrap()
    }

    #[test]
    fn the_bonus_is_the_one_worked_out_by_hand() {
        let (reward, base) = (intrinsic(&Compat::default()), Base::new(predicted(3, 4, 6)));
        // Item 0 after 1 and 2: similarities 1/2 and 1/3, so unlike by 1/2 and 2/3; novelty -ln 0.5.
        let bonus = 0.3 * (0.5 + 2.0 / 3.0) / 2.0 + 0.2 * std::f32::consts::LN_2;
        let found = reward.reward(1, 0, &[1, 2]) - base.reward(1, 0, &[]);
        assert!((found - bonus).abs() < 1e-5, "{found} {bonus}");
        let first = reward.reward(1, 3, &[]) - base.reward(1, 3, &[]);
        assert!(first.abs() < 1e-5, "neither diverse nor novel: {first}");
    }

    #[test]
    fn rewards_stay_within_the_range_unless_as_in_the_reference() {
        assert_within_range(&intrinsic(&Compat::default()));
        let compat = Compat { intrinsic_padding: true, ..Compat::default() };
        assert_eq!(intrinsic(&compat).range(), Base::new(predicted(3, 4, 6)).range());
    }

    #[test]
    fn strange_popularities_are_refused() {
        let fit = |popularity: &[f32]| {
            let config = IntrinsicConfig::default();
            Intrinsic::new(predicted(3, 4, 6), similarity(), popularity, &config, &Compat::default())
        };
        assert!(fit(&[0.5; 3]).unwrap_err().to_string().contains("3 popularities"));
        assert!(fit(&[0.5, 0.5, 2.0, 0.5]).unwrap_err().to_string().contains("item 2"));
    }

    proptest! {
        #[test]
        fn padding_is_the_array_of_the_longest_episode(
            item in 0_u32..4,
            taken in prop::collection::vec(0_u32..4, 0..5),
        ) {
            let compat = Compat { intrinsic_padding: true, ..Compat::default() };
            let (reward, base) = (intrinsic(&compat), Base::new(predicted(3, 4, 6)));
            let mut slots = [0_u32; 5];
            slots[..taken.len()].copy_from_slice(&taken);
            slots[taken.len()] = item;
            let similarity = similarity();
            let unlike: f32 = slots[..4].iter().map(|&other| 1.0 - similarity.similarity(other, item)).sum();
            let novelty = -(f64::from(POPULARITY[item as usize]) + 1e-10).ln() as f32;
            let expected = base.reward(0, item, &[]) + 0.3 * unlike / 4.0 + 0.2 * novelty;
            prop_assert!((reward.reward(0, item, &taken) - expected).abs() < 1e-4);
        }
    }
}
