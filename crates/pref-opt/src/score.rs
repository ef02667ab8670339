//! Exact scores of every item, and the aligned model as a recommender.

use causal_lm::{CausalLm, Decoder, Prepared, Slot, score_completions};
use rec_core::rank::top_k;
use rec_core::{ItemId, Query, Rankings, Recommender, ScoredItem};

use crate::codec::ItemCodec;
use crate::log_probs::next_log_probs;
use crate::titles::TitleDecoder;
use crate::{Error, Result};

/// Completions scored at once where titles have several tokens.
const ROWS: usize = 256;

/// The log-probability of every item after each prompt: `[prompts, items]`, row by row.
///
/// With one token an item this is one look at the softmax; with titles every title is scored, which is exact and slow.
///
/// # Errors
/// [`Error::Config`] if the model knows fewer tokens than the codec; what the model reports.
pub fn item_log_probs<M: Decoder, P: AsRef<[u32]>>(
    model: &M,
    codec: &ItemCodec,
    prompts: &[P],
    slot: Slot,
) -> Result<Vec<f32>> {
    let n = codec.n_items();
    // A model may have more tokens, to fill its vocabulary up to a round number.
    let (known, needed) = (model.config().vocab_size, codec.vocab_size());
    if known < needed {
        return Err(Error::config("vocab_size", format!("is {known}, but the codec has {needed} tokens")));
    }
    let mut scores = Vec::with_capacity(prompts.len() * n);
    if codec.is_one_token() {
        let all = next_log_probs(model, prompts, slot)?;
        for row in all.chunks_exact(known) {
            scores.extend_from_slice(&row[ItemCodec::FIRST as usize..needed]);
        }
        return Ok(scores);
    }
    let completions: Vec<Vec<u32>> = (0..n).map(|item| codec.completion(ItemId::from_index(item))).collect();
    for prompt in prompts {
        let found = score_completions(model, prompt.as_ref(), &completions, slot, ROWS)?;
        scores.extend(found.into_iter().map(|score| score as f32));
    }
    Ok(scores)
}

/// A language model that ranks items by the log-probability of their titles after the history.
#[derive(Clone, Debug)]
pub struct LanguageRecommender {
    /// The model, without autodiff.
    pub model: CausalLm,
    /// How items become tokens.
    pub codec: ItemCodec,
    /// How many items of a history the prompt holds: the latest.
    pub most_history: usize,
    /// Taken off each item's score, one number an item: D3-style debiasing at decoding, `log p(item | history) - weight * log p(item)`.
    /// A search does not have it: it goes without [`LanguageRecommender::decoder`].
    pub debias: Option<Vec<f32>>,
    /// Searches the titles, where they have several tokens; without it every title is scored.
    pub decoder: Option<TitleDecoder>,
}

impl LanguageRecommender {
    fn check(&self) -> Result<()> {
        let (n, Some(debias)) = (self.codec.n_items(), &self.debias) else { return Ok(()) };
        if debias.len() != n {
            return Err(Error::config("debias", format!("has {} numbers for {n} items", debias.len())));
        }
        if self.decoder.is_some() {
            return Err(Error::config("debias", "is not taken off in a search; leave out the decoder"));
        }
        Ok(())
    }

    /// The list of one query by search.
    fn search(
        &self,
        model: &Prepared,
        decoder: &TitleDecoder,
        query: &Query<'_>,
        k: usize,
    ) -> Result<Vec<ScoredItem>> {
        let first = query.history.len().saturating_sub(self.most_history);
        let prompt = self.codec.prompt(&query.history[first..]);
        let barred = |item: ItemId| {
            query.exclude.binary_search(&item).is_ok()
                || query.candidates.is_some_and(|candidates| candidates.binary_search(&item).is_err())
        };
        decoder.top(model, &prompt, k, barred)
    }
}

impl Recommender for LanguageRecommender {
    fn n_items(&self) -> usize {
        self.codec.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        self.check()?;
        let model = Prepared::of(&self.model, Slot::Active);
        if let Some(decoder) = &self.decoder {
            let mut rankings = Rankings::with_capacity(k, queries.len());
            for query in queries {
                rankings.push(&self.search(&model, decoder, query, k)?);
            }
            return Ok(rankings);
        }
        let n = self.codec.n_items();
        let mut rankings = Rankings::with_capacity(k, queries.len());
        let mut best = vec![Default::default(); k];
        for chunk in queries.chunks(256) {
            let prompts: Vec<Vec<u32>> = chunk
                .iter()
                .map(|query| {
                    let first = query.history.len().saturating_sub(self.most_history);
                    self.codec.prompt(&query.history[first..])
                })
                .collect();
            let mut scores = item_log_probs(&model, &self.codec, &prompts, Slot::Active)?;
            for (row, query) in scores.chunks_exact_mut(n).zip(chunk) {
                if let Some(debias) = &self.debias {
                    row.iter_mut().zip(debias).for_each(|(score, by)| *score -= by);
                }
                let found = top_k(row, query.exclude, query.candidates, &mut best)?;
                rankings.push(&best[..found]);
            }
        }
        Ok(rankings)
    }
}
