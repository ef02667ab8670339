//! The title-token profile: titles as byte-level BPE, and lists of items by searching the trie of all titles.
//!
//! What is written is always the title of an item that is allowed: there are no invalid titles, and nothing to ground.

use std::collections::HashMap;

use causal_lm::Slot;
use causal_lm::decode::{
    BeamConfig, Constraint, Decoder, GenerateConfig, Sampling, Trie, beam_search, generate,
};
use rand::Rng;
use rec_core::random::stream;
use rec_core::{ItemId, ScoredItem};

use crate::Result;
use crate::codec::ItemCodec;
use crate::data::Window;

/// The codec of a catalogue's titles with a tokenizer of `vocab_size` tokens learned from them.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) if `vocab_size` is too small for bytes and special tokens.
#[cfg(feature = "text")]
pub fn learn_titles(titles: &[String], vocab_size: usize) -> Result<(ItemCodec, causal_lm::Tokenizer)> {
    // In the order of the codec's own tokens, so that they have the same numbers.
    let special = ["<pad>", "<bos>", "<rec>", "<sep>", "<eos>"];
    let tokenizer = causal_lm::Tokenizer::train_bpe(titles.iter().map(String::as_str), vocab_size, &special)?;
    let items = titles.iter().map(|title| tokenizer.encode(title)).collect::<Result<Vec<_>, _>>()?;
    let codec = ItemCodec::titles(items, tokenizer.vocab_size())?;
    Ok((codec, tokenizer))
}

/// Lists of items from a model that writes titles.
#[derive(Clone, Debug)]
pub struct TitleDecoder {
    completions: Vec<Vec<u32>>,
    trie: Trie,
    /// How many titles go through each state of the trie.
    titles: Vec<u32>,
    longest: usize,
    /// How many texts a search keeps; lists longer than this keep as many.
    pub beams: usize,
}

impl TitleDecoder {
    /// For the titles of `codec`.
    ///
    /// # Errors
    /// [`Error::Invalid`](rec_core::Error::Invalid) if two items have the same title.
    pub fn new(codec: &ItemCodec, beams: usize) -> Result<Self> {
        let completions: Vec<Vec<u32>> =
            (0..codec.n_items()).map(|item| codec.completion(ItemId::from_index(item))).collect();
        let longest = completions.iter().map(Vec::len).max().unwrap_or(0);
        let trie = Trie::new(&completions)?;
        let mut titles = Vec::new();
        for state in completions.iter().flat_map(|tokens| states(&trie, tokens)) {
            titles.resize(titles.len().max(state + 1), 0);
            titles[state] += 1;
        }
        Ok(Self { completions, trie, titles, longest, beams })
    }

    /// The best `k` items after `prompt`, best first, without those barred: a beam search in the trie of the other titles.
    ///
    /// # Errors
    /// What the model reports.
    pub fn top<M: Decoder>(
        &self,
        model: &M,
        prompt: &[u32],
        k: usize,
        barred: impl Fn(ItemId) -> bool,
    ) -> Result<Vec<ScoredItem>> {
        let mut others = Others { decoder: self, barred: HashMap::new() };
        let (mut all, items) = (true, 0..self.completions.len());
        for index in items {
            if barred(ItemId::from_index(index)) {
                for state in states(&self.trie, &self.completions[index]) {
                    *others.barred.entry(state).or_default() += 1;
                }
            } else {
                all = false;
            }
        }
        if all {
            return Ok(Vec::new());
        }
        let config = BeamConfig {
            beams: self.beams.max(k),
            max_new_tokens: self.longest,
            end: vec![ItemCodec::EOS],
            ..BeamConfig::default()
        };
        let found = beam_search(model, prompt, &config, &others)?;
        let items = found.iter().filter(|text| text.finished).filter_map(|text| {
            let item = ItemId::from_index(self.trie.find(&text.tokens)?);
            Some(ScoredItem { item, score: text.log_prob as f32 })
        });
        Ok(items.take(k).collect())
    }

    /// One item after each window's history: greedy, or drawn at `temperature`. With `exclude_history` an item of the history
    /// is replaced: a greedy one by the best of the others, a drawn one by another draw.
    ///
    /// # Errors
    /// What the model reports.
    pub fn one_each<M: Decoder>(
        &self,
        model: &M,
        codec: &ItemCodec,
        windows: &[Window],
        temperature: Option<f64>,
        exclude_history: bool,
        (seed, round): (u64, usize),
    ) -> Result<Vec<Option<ItemId>>> {
        let mut found: Vec<Option<ItemId>> = vec![None; windows.len()];
        let mut open: Vec<usize> = (0..windows.len()).collect();
        // Prompts of like length together: padding is little, and a row's draw is its own.
        open.sort_by_key(|&row| codec.prompt(&windows[row].history).len());
        let tries = if temperature.is_some() { DRAWS } else { 1 };
        for attempt in 0..tries {
            let mut again = Vec::new();
            for (block, rows) in open.chunks(ROWS).enumerate() {
                let prompts: Vec<Vec<u32>> =
                    rows.iter().map(|&row| codec.prompt(&windows[row].history)).collect();
                let sampling = temperature.map(|temperature| {
                    let place = (round as u64) << 40 | attempt << 32 | block as u64;
                    Sampling {
                        temperature,
                        seed: stream(seed, "title draws", place).next_u64(),
                        ..Sampling::default()
                    }
                });
                let config = GenerateConfig {
                    max_new_tokens: self.longest,
                    end: vec![ItemCodec::EOS],
                    sampling,
                    slot: Slot::Active,
                };
                let texts = generate(model, &prompts, &config, &self.trie)?;
                for (&row, text) in rows.iter().zip(&texts) {
                    let item = self.trie.find(&text.tokens).map(ItemId::from_index);
                    match item {
                        Some(item) if exclude_history && windows[row].history.contains(&item) => {
                            again.push(row);
                        }
                        _ => found[row] = item,
                    }
                }
            }
            open = again;
        }
        // Greedily, or after so many draws from the history: the best of the others.
        for row in open {
            let window = &windows[row];
            let prompt = codec.prompt(&window.history);
            let best = self.top(model, &prompt, 1, |item| window.history.contains(&item))?;
            found[row] = best.first().map(|scored| scored.item);
        }
        Ok(found)
    }
}

/// The states that a title goes through, its last one included.
fn states<'a>(trie: &'a Trie, tokens: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    tokens.iter().scan(trie.start(), |state, &token| {
        trie.advance(state, token);
        Some(*state)
    })
}

/// The titles that are not barred.
struct Others<'a> {
    decoder: &'a TitleDecoder,
    /// How many barred titles go through a state.
    barred: HashMap<usize, u32>,
}

impl Constraint for Others<'_> {
    type State = usize;

    fn start(&self) -> usize {
        self.decoder.trie.start()
    }

    fn allowed(&self, state: &usize) -> Option<Vec<u32>> {
        let TitleDecoder { trie, titles, .. } = self.decoder;
        let mut tokens = trie.allowed(state)?;
        tokens.retain(|&token| {
            let mut next = *state;
            trie.advance(&mut next, token);
            self.barred.get(&next).is_none_or(|&barred| barred < titles[next])
        });
        Some(tokens)
    }

    fn advance(&self, state: &mut usize, token: u32) {
        self.decoder.trie.advance(state, token);
    }

    fn is_complete(&self, state: &usize) -> bool {
        self.decoder.trie.is_complete(state)
    }
}

/// Prompts at a time.
const ROWS: usize = 64;
/// Draws before a row that only draws from its history gets the best of the others.
const DRAWS: u64 = 8;
