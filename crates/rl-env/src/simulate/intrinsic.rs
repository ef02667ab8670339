//! A bonus for what is unlike the episode so far and for what is rare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Predicted, not_negative, same_number};
use crate::metrics::ItemTables;
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
    tables: Arc<ItemTables>,
    /// `lambda_n (-ln(p + 1e-10))` of each item.
    novelty: Arc<[f32]>,
    config: IntrinsicConfig,
    /// [`Compat::intrinsic_padding`].
    padding: bool,
    least: f32,
    range: (f32, f32),
}

impl Intrinsic {
    /// The reward of these predictions, with the tables' likeness as similarity.
    ///
    /// # Errors
    /// If a setting does not hold or the tables are of another number of items.
    pub fn new(
        predicted: Arc<Predicted>,
        tables: Arc<ItemTables>,
        config: &IntrinsicConfig,
        compat: &Compat,
    ) -> Result<Self> {
        config.validate()?;
        same_number("items with a likeness and a popularity", tables.n_items(), predicted.mean.n_items())?;
        let novelty: Arc<[f32]> = tables
            .popularity()
            .iter()
            .map(|&p| config.lambda_novelty * -(f64::from(p) + 1e-10).ln() as f32)
            .collect();
        let (least, most) = predicted.mean_range();
        let range = if compat.intrinsic_padding {
            (0.0, most - least)
        } else {
            let (low, high) =
                novelty.iter().fold((f32::MAX, f32::MIN), |(low, high), &n| (low.min(n), high.max(n)));
            (low, most - least + config.lambda_diversity + high)
        };
        let padding = compat.intrinsic_padding;
        Ok(Self { predicted, tables, novelty, config: *config, padding, least, range })
    }

    /// The mean of `1 - S(a_s, item)`.
    #[inline]
    fn diversity(&self, item: u32, taken: &[u32]) -> f32 {
        let likeness = self.tables.likeness();
        let unlike = |&other: &u32| 1.0 - likeness.of(other, item) as f32;
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
    use crate::metrics::Likeness;

    const POPULARITY: [f32; 4] = [0.5, 0.1, 0.2, 1.0];

    fn likeness() -> Likeness {
        Likeness::Tags(vec![0b011, 0b001, 0b110, 0b100])
    }

    fn intrinsic(compat: &Compat) -> Intrinsic {
        let config = IntrinsicConfig { lambda_diversity: 0.3, lambda_novelty: 0.2, max_turn: 5 };
        let tables = Arc::new(ItemTables::new(likeness(), POPULARITY.to_vec(), Vec::new()).unwrap());
        Intrinsic::new(predicted(3, 4, 6), tables, &config, compat).unwrap()
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
    fn tables_of_other_items_and_negative_weights_are_refused() {
        let fit = |n_items: usize, config: IntrinsicConfig| {
            let tables = Arc::new(ItemTables::plain(n_items));
            Intrinsic::new(predicted(3, 4, 6), tables, &config, &Compat::default()).map_err(|e| e.to_string())
        };
        assert!(fit(4, IntrinsicConfig::default()).is_ok());
        assert!(fit(5, IntrinsicConfig::default()).unwrap_err().contains("5 items"));
        let config = IntrinsicConfig { lambda_novelty: -0.1, ..IntrinsicConfig::default() };
        assert!(fit(4, config).unwrap_err().contains("intrinsic.lambda_novelty"));
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
            let likeness = likeness();
            let unlike: f32 = slots[..4].iter().map(|&other| 1.0 - likeness.of(other, item) as f32).sum();
            let novelty = -(f64::from(POPULARITY[item as usize]) + 1e-10).ln() as f32;
            let expected = base.reward(0, item, &[]) + 0.3 * unlike / 4.0 + 0.2 * novelty;
            prop_assert!((reward.reward(0, item, &taken) - expected).abs() < 1e-4);
        }
    }
}
