//! Words, full-text search and titles: how text meets the catalogue.

use std::collections::{BTreeMap, HashMap};

use rec_core::{ItemId, ScoredItem};

/// The words of a text: lower case, without accents of the Latin letters, cut at everything that is neither letter nor
/// digit. An apostrophe inside a word is dropped (`Schindler's` is `schindlers`).
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        match c {
            '\'' | '’' => {}
            c if c.is_alphanumeric() => c.to_lowercase().for_each(|c| word.push_str(plain(c, &mut [0; 4]))),
            _ if !word.is_empty() => words.push(std::mem::take(&mut word)),
            _ => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn plain(c: char, buffer: &mut [u8; 4]) -> &str {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'è'..='ë' | 'ē' | 'ę' | 'ě' => "e",
        'ì'..='ï' | 'ī' => "i",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'š' | 'ś' => "s",
        'ž' | 'ź' | 'ż' => "z",
        'ß' => "ss",
        c => c.encode_utf8(buffer),
    }
}

/// BM25 over the items' texts (Robertson and others, TREC-3), `k1 = 1.2`, `b = 0.75`.
#[derive(Clone, Debug, Default)]
pub struct TextIndex {
    postings: HashMap<String, Vec<(u32, f32)>>,
    lengths: Vec<f32>,
    mean_length: f32,
}

impl TextIndex {
    /// Indexes one text an item.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut index = Self::default();
        for (item, text) in (0..).zip(texts) {
            let words = words(&text);
            index.lengths.push(words.len() as f32);
            let mut counts: BTreeMap<String, f32> = BTreeMap::new();
            for word in words {
                *counts.entry(word).or_default() += 1.0;
            }
            for (word, count) in counts {
                index.postings.entry(word).or_default().push((item, count));
            }
        }
        index.mean_length = index.lengths.iter().sum::<f32>() / index.lengths.len().max(1) as f32;
        index
    }

    /// The items that share a word with `query`, best first; equal scores by ascending item.
    pub fn search(&self, query: &str, accepts: impl Fn(ItemId) -> bool, k: usize) -> Vec<ScoredItem> {
        let mut scores: BTreeMap<u32, f32> = BTreeMap::new();
        let n = self.lengths.len() as f32;
        for word in words(query) {
            let Some(postings) = self.postings.get(&word) else { continue };
            let found = postings.len() as f32;
            let weight = (1.0 + (n - found + 0.5) / (found + 0.5)).ln();
            for &(item, count) in postings {
                let length = 0.25 + 0.75 * self.lengths[item as usize] / self.mean_length.max(1.0);
                *scores.entry(item).or_default() += weight * count * 2.2 / (count + 1.2 * length);
            }
        }
        let mut found: Vec<ScoredItem> = scores
            .into_iter()
            .map(|(item, score)| ScoredItem { item: ItemId(item), score })
            .filter(|scored| accepts(scored.item))
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        found.truncate(k);
        found
    }
}

/// A title without a trailing year, its article in front, in words.
pub fn title_key(title: &str) -> (String, Option<u16>) {
    let title = title.trim();
    let mut year = None;
    let mut bare = title;
    if let Some((before, rest)) = title.rsplit_once('(')
        && let Some(digits) = rest.strip_suffix(')')
        && digits.len() == 4
        && let Ok(number) = digits.parse()
    {
        (bare, year) = (before.trim_end(), Some(number));
    }
    let mut words = words(bare);
    if let Some((_, article)) = bare.rsplit_once(", ")
        && ["the", "a", "an", "la", "le", "les", "el", "il", "der", "die", "das"]
            .contains(&article.to_lowercase().as_str())
        && let Some(last) = words.pop()
    {
        words.insert(0, last);
    }
    (words.join(" "), year)
}

/// A title that text named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TitleMatch {
    /// The item.
    pub item: ItemId,
    /// 1 for the very words; less the more letters differ.
    pub likeness: f32,
}

/// Titles by their words, with forgiveness for misspellings.
#[derive(Clone, Debug, Default)]
pub struct TitleIndex {
    exact: HashMap<String, Vec<ItemId>>,
    keys: Vec<String>,
    years: Vec<Option<u16>>,
    trigrams: HashMap<[char; 3], Vec<u32>>,
    counts: Vec<u32>,
    longest: usize,
}

impl TitleIndex {
    /// Indexes the titles; of several items of one title the most rated (`counts`) is meant, unless a year says otherwise.
    pub fn new(titles: &[String], years: &[Option<u16>], counts: &[u32]) -> Self {
        let mut index = Self { years: years.to_vec(), counts: counts.to_vec(), ..Self::default() };
        for (item, title) in titles.iter().enumerate() {
            let (key, year) = title_key(title);
            index.years[item] = index.years[item].or(year);
            let id = ItemId::from_index(item);
            if !key.is_empty() {
                index.longest = index.longest.max(key.split(' ').count());
                let mut names = vec![key.clone()];
                // Without its article, as people say it; and without what follows a colon or stands in brackets.
                for article in ["the ", "a ", "an "] {
                    names.extend(key.strip_prefix(article).map(str::to_owned));
                }
                let main = title.split([':', '(']).next().map(|main| title_key(main).0).unwrap_or_default();
                if main.split(' ').count() > 1 {
                    names.push(main);
                }
                names.dedup();
                for name in names {
                    let known = index.exact.entry(name).or_default();
                    if !known.contains(&id) {
                        known.push(id);
                    }
                }
                for gram in trigrams(&key) {
                    let known = index.trigrams.entry(gram).or_default();
                    if known.last() != Some(&(item as u32)) {
                        known.push(item as u32);
                    }
                }
            }
            index.keys.push(key);
        }
        index
    }

    /// The most words of a title.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The item whose title is exactly these words.
    pub fn exact(&self, key: &str, year: Option<u16>) -> Option<ItemId> {
        let items = self.exact.get(key)?;
        let fits = |item: &&ItemId| year.is_none() || self.years[item.index()] == year;
        let best = |items: Vec<&ItemId>| {
            // The full title before a shortened one, then the better known.
            let key_of = |item: &ItemId| (self.keys[item.index()] == key, self.counts[item.index()]);
            items.into_iter().max_by_key(|item| (key_of(item), std::cmp::Reverse(item.0))).copied()
        };
        best(items.iter().filter(fits).collect()).or_else(|| best(items.iter().collect()))
    }

    /// The items that `text` may mean, best first: the exact title, then by common trigrams and edit distance.
    pub fn find(&self, text: &str, k: usize) -> Vec<TitleMatch> {
        let (key, year) = title_key(text);
        if key.is_empty() {
            return Vec::new();
        }
        let mut matches: Vec<TitleMatch> = Vec::new();
        if let Some(item) = self.exact(&key, year) {
            matches.push(TitleMatch { item, likeness: 1.0 });
        }
        let grams = trigrams(&key);
        let mut common: BTreeMap<u32, f32> = BTreeMap::new();
        for gram in &grams {
            for &item in self.trigrams.get(gram).into_iter().flatten() {
                *common.entry(item).or_default() += 1.0;
            }
        }
        let mut close: Vec<(f32, u32)> = common
            .into_iter()
            .map(|(item, both)| {
                let all = grams.len() as f32 + trigrams(&self.keys[item as usize]).len() as f32 - both;
                (both / all.max(1.0), item)
            })
            .filter(|(share, _)| *share >= 0.2)
            .collect();
        close.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then(self.counts[b.1 as usize].cmp(&self.counts[a.1 as usize]))
                .then(a.1.cmp(&b.1))
        });
        for (_, item) in close.into_iter().take(30) {
            let own = &self.keys[item as usize];
            let length = key.chars().count().max(own.chars().count()).max(1);
            let mut likeness = 1.0 - edit_distance(&key, own) as f32 / length as f32;
            if year.is_some() && year == self.years[item as usize] {
                likeness += 0.05;
            }
            let item = ItemId(item);
            if likeness >= 0.55 && matches.iter().all(|known| known.item != item) {
                matches.push(TitleMatch { item, likeness: likeness.min(0.999) });
            }
        }
        matches.sort_by(|a, b| {
            b.likeness
                .total_cmp(&a.likeness)
                .then(self.counts[b.item.index()].cmp(&self.counts[a.item.index()]))
        });
        matches.truncate(k);
        matches
    }
}

fn trigrams(key: &str) -> Vec<[char; 3]> {
    let padded: Vec<char> = "  ".chars().chain(key.chars()).chain(" ".chars()).collect();
    let mut grams: Vec<[char; 3]> = padded.windows(3).map(|gram| [gram[0], gram[1], gram[2]]).collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// Insertions, deletions, replacements and swaps of neighbours between two texts (optimal string alignment).
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_as_people_write_them() {
        let titles: Vec<String> = [
            "Usual Suspects, The (1995)",
            "Amélie",
            "Alien",
            "Aliens",
            "Star Wars: Episode IV",
            "Heat",
            "Heat",
        ]
        .map(str::to_owned)
        .to_vec();
        let years = [None, Some(2001), Some(1979), Some(1986), Some(1977), Some(1986), Some(1995)];
        let index = TitleIndex::new(&titles, &years, &[5, 5, 5, 9, 3, 1, 8]);
        let best = |text: &str| index.find(text, 3).first().map(|found| found.item.0);
        assert_eq!(best("the usual suspects"), Some(0));
        assert_eq!(best("Usual Suspects"), Some(0));
        assert_eq!(best("the usual supsects"), Some(0));
        assert_eq!(best("Amelie"), Some(1));
        assert_eq!(best("alien"), Some(2));
        assert_eq!(best("Star Wars"), Some(4));
        assert_eq!(best("heat"), Some(6));
        assert_eq!(best("heat (1986)"), Some(5));
        assert_eq!(best("completely different"), None);
    }

    #[test]
    fn distance_counts_swaps_as_one() {
        for (a, b, want) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(edit_distance(a, b), want, "{a} {b}");
            assert_eq!(edit_distance(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn rarer_words_count_more() {
        let index = TextIndex::new(["red red apple", "green apple", "green pear"].map(str::to_owned));
        let found = index.search("green pear", |_| true, 3);
        assert_eq!(found[0].item, ItemId(2));
        assert_eq!(found.len(), 2);
        assert!(index.search("banana", |_| true, 3).is_empty());
        assert_eq!(index.search("apple", |item| item.0 == 1, 3).len(), 1);
    }
}
