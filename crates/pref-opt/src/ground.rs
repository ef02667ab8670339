//! From generated text to items: by the exact title, or by the nearest one in character n-grams.

use std::collections::HashMap;

use rec_core::{ItemId, ScoredItem};

use crate::{Error, Result};

/// A title without what does not tell titles apart: case, quotes at the ends, runs of white space.
pub fn normalise(title: &str) -> String {
    let inner = title.trim().trim_matches('"');
    inner.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Items by their normalised titles.
#[derive(Clone, Debug, Default)]
pub struct ExactTitles {
    items: HashMap<String, ItemId>,
}

impl ExactTitles {
    /// Over titles in item order; of equal ones the first counts.
    pub fn new<S: AsRef<str>>(titles: &[S]) -> Self {
        let mut items = HashMap::new();
        for (index, title) in titles.iter().enumerate() {
            items.entry(normalise(title.as_ref())).or_insert(ItemId::from_index(index));
        }
        Self { items }
    }

    /// The item of this title.
    ///
    /// # Errors
    /// [`Error::UnknownTitle`].
    pub fn find(&self, text: &str) -> Result<ItemId> {
        let unknown = || Error::UnknownTitle { title: text.to_owned() };
        self.items.get(&normalise(text)).copied().ok_or_else(unknown)
    }
}

/// Titles as TF-IDF vectors of character trigrams (two blanks before and after, so that beginnings count).
#[derive(Clone, Debug)]
pub struct TitleIndex {
    /// The inverse document frequency of each trigram, and the titles that hold it with their weights.
    postings: HashMap<[char; 3], (f32, Vec<(u32, f32)>)>,
    n_titles: usize,
}

impl TitleIndex {
    /// Over titles in item order.
    pub fn new<S: AsRef<str>>(titles: &[S]) -> Self {
        let counts: Vec<HashMap<[char; 3], f32>> =
            titles.iter().map(|title| trigrams(title.as_ref())).collect();
        let mut postings: HashMap<[char; 3], (f32, Vec<(u32, f32)>)> = HashMap::new();
        for (index, own) in counts.iter().enumerate() {
            for (&gram, &count) in own {
                postings.entry(gram).or_default().1.push((index as u32, count));
            }
        }
        let n = titles.len() as f32;
        let mut squares = vec![0.0_f32; titles.len()];
        // Sums of squares in a fixed order: a map's own order differs from run to run.
        let mut grams: Vec<[char; 3]> = postings.keys().copied().collect();
        grams.sort_unstable();
        for gram in &grams {
            let (idf, list) = postings.get_mut(gram).expect("its own key");
            *idf = ((1.0 + n) / (1.0 + list.len() as f32)).ln() + 1.0;
            for (index, weight) in list.iter_mut() {
                *weight *= *idf;
                squares[*index as usize] += *weight * *weight;
            }
        }
        for (_, list) in postings.values_mut() {
            list.iter_mut().for_each(|(index, weight)| *weight /= squares[*index as usize].sqrt());
        }
        Self { postings, n_titles: titles.len() }
    }

    /// The `k` titles of the largest cosine, best first; equal ones by ascending id. Titles without a common trigram are
    /// left out.
    pub fn nearest(&self, text: &str, k: usize) -> Vec<ScoredItem> {
        let mut grams: Vec<([char; 3], f32)> = trigrams(text).into_iter().collect();
        grams.sort_unstable_by_key(|(gram, _)| *gram);
        let mut scores = vec![0.0_f32; self.n_titles];
        let mut square = 0.0_f32;
        for (gram, count) in grams {
            let Some((idf, list)) = self.postings.get(&gram) else {
                // An unseen trigram is as rare as can be.
                let weight = count * ((1.0 + self.n_titles as f32).ln() + 1.0);
                square += weight * weight;
                continue;
            };
            let weight = count * idf;
            square += weight * weight;
            list.iter().for_each(|&(index, own)| scores[index as usize] += weight * own);
        }
        let length = square.sqrt().max(f32::MIN_POSITIVE);
        let mut found: Vec<ScoredItem> = scores
            .into_iter()
            .enumerate()
            .filter(|&(_, score)| score > 0.0)
            .map(|(index, score)| ScoredItem { item: ItemId::from_index(index), score: score / length })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        found.truncate(k);
        found
    }
}

fn trigrams(text: &str) -> HashMap<[char; 3], f32> {
    let chars: Vec<char> = format!("  {}  ", normalise(text)).chars().collect();
    let mut counts = HashMap::new();
    for gram in chars.windows(3) {
        *counts.entry([gram[0], gram[1], gram[2]]).or_insert(0.0) += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: [&str; 4] = ["Alien (1979)", "Aliens (1986)", "The \"Big\" Sleep", "Brazil"];

    #[test]
    fn titles_are_found_whatever_their_case_and_quotes() {
        let titles = ExactTitles::new(&TITLES);
        assert_eq!(titles.find("\"ALIEN  (1979)\"\n").unwrap(), ItemId(0));
        assert_eq!(titles.find("the \"big\" sleep").unwrap(), ItemId(2));
        assert_eq!(
            titles.find("Alien").unwrap_err().to_string(),
            "\"Alien\" is not a title of the catalogue"
        );
    }

    #[test]
    fn the_nearest_title_is_the_one_meant() {
        let index = TitleIndex::new(&TITLES);
        let found = index.nearest("Alien 1979", 2);
        assert_eq!([found[0].item, found[1].item], [ItemId(0), ItemId(1)]);
        assert_eq!(index.nearest("Brasil", 1)[0].item, ItemId(3));
        assert!((index.nearest("Brazil", 1)[0].score - 1.0).abs() < 1e-5);
        assert!(index.nearest("qqq", 3).is_empty());
    }
}
