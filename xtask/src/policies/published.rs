//! What the reference published, to stand beside what was found.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One policy's published values; lists are cumulative reward, length and, where there is a third, average reward.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Items may come again.
    pub fb: [f64; 3],
    /// No item comes again.
    pub nx0: [f64; 2],
    /// No item comes again for ten turns: cumulative reward.
    pub nx10: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: String,
    worlds: BTreeMap<String, BTreeMap<String, Published>>,
}

fn file() -> File {
    toml::from_str(include_str!("published.toml")).expect("the file is part of the program and tested")
}

/// The published values of a world by policy; empty for a world without.
pub fn of(world: &str) -> BTreeMap<String, Published> {
    file().worlds.remove(world).unwrap_or_default()
}

/// Where they come from.
pub fn source() -> String {
    file().source
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::{registry, world};

    #[test]
    fn published_values_are_of_policies_and_worlds_that_there_are() {
        let file = file();
        assert!(file.source.contains("EasyRL4Rec"));
        for (name, policies) in &file.worlds {
            world::find(name).unwrap();
            for (policy, value) in policies {
                registry::find(policy).unwrap();
                // Nearly: each column is a mean over epochs, and a mean of ratios is not the ratio of means.
                let product = value.fb[1] * value.fb[2];
                assert!((value.fb[0] / product - 1.0).abs() < 0.02, "{name} {policy}");
            }
        }
        assert_eq!(of("coat")["a2c"].fb[0], 81.80);
        assert!(of("mt-mini").is_empty());
    }
}
