//! Selecting the best `k` of many scores: the kernel under every recommender.
//!
//! A row of scores is scanned once. Chunks of it are compared, without a branch for each score, with the score
//! that the worst of the `k` best so far has; only a chunk that holds something better (or a NaN) is looked at
//! item by item, and only then is the list of excluded items consulted. After the first few hundred items of a
//! row that is rare, so the scan runs at about the speed at which the scores can be read.
//!
//! Order is total: higher score first, and among equal scores the lower item id first. Results therefore do not
//! depend on the number of threads or on the order in which blocks of items are offered.

use rayon::prelude::*;

use crate::{Error, ItemId, Query, Rankings, Result, ScoredItem};

/// Scores compared at once; a multiple of every vector width in use.
const CHUNK: usize = 32;

/// Whether `a` ranks before `b`: a higher score, or the same score and a lower id.
#[inline]
fn before(a: ScoredItem, b: ScoredItem) -> bool {
    a.score > b.score || (a.score == b.score && a.item < b.item)
}

/// The best items seen so far, over borrowed storage: feed it scores block by block, then
/// [`finish`](TopK::finish).
///
/// The storage is a binary heap with the worst kept item on top. An item whose score is `-inf` is treated as
/// ruled out and never kept.
///
/// ```
/// use rec_core::rank::TopK;
/// use rec_core::{ItemId, ScoredItem};
///
/// let mut best = [ScoredItem::default(); 2];
/// let mut top = TopK::new(&mut best, &[ItemId(3)]);
/// top.offer_chunk(ItemId(0), &[0.1, 0.7])?;
/// top.offer_chunk(ItemId(2), &[0.7, 9.0])?; // item 3 is excluded
/// assert_eq!(top.finish(), 2);
/// assert_eq!(best.map(|scored| scored.item), [ItemId(1), ItemId(2)]);
/// # Ok::<(), rec_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TopK<'a> {
    heap: &'a mut [ScoredItem],
    len: usize,
    exclude: &'a [ItemId],
    /// Every id offered so far is below this one.
    end: u64,
    /// Excluded ids before this place are below the ids that an ascending scan still offers.
    cursor: usize,
}

impl<'a> TopK<'a> {
    /// Keeps the best `storage.len()` items that are not in `exclude` (ascending, without duplicates).
    pub fn new(storage: &'a mut [ScoredItem], exclude: &'a [ItemId]) -> Self {
        debug_assert!(exclude.windows(2).all(|pair| pair[0] < pair[1]), "exclude is not ascending");
        Self { heap: storage, len: 0, exclude, end: 0, cursor: 0 }
    }

    /// The score that an item must reach to be kept: that of the worst kept item once there are `k` of them,
    /// `-inf` before, `+inf` for `k = 0`.
    ///
    /// A caller that can bound the scores of a block of items from above may skip the block if the bound is
    /// below the threshold.
    #[inline]
    pub fn threshold(&self) -> f32 {
        if self.len < self.heap.len() {
            f32::NEG_INFINITY
        } else {
            self.heap.first().map_or(f32::INFINITY, |worst| worst.score)
        }
    }

    /// Offers the items `first, first + 1, …` with these scores. Blocks may come in any order, each item once;
    /// ascending blocks are the fastest.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN score, also for that of an excluded item.
    pub fn offer_chunk(&mut self, first: ItemId, scores: &[f32]) -> Result<()> {
        let ascending = u64::from(first.0) >= self.end;
        let mut item = first.0;
        let mut chunks = scores.chunks_exact(CHUNK);
        for chunk in &mut chunks {
            let threshold = self.threshold();
            // Negated comparisons, so that NaN counts as a hit. In an ascending scan an item that only equals the
            // worst kept score has the higher id and loses.
            let hit = if ascending {
                chunk.iter().fold(false, |hit, &score| hit | !matches_at_most(score, threshold))
            } else {
                chunk.iter().fold(false, |hit, &score| hit | !matches_below(score, threshold))
            };
            if hit {
                self.offer_each(item, chunk, ascending)?;
            }
            item = item.wrapping_add(CHUNK as u32);
        }
        self.offer_each(item, chunks.remainder(), ascending)?;
        self.end = self.end.max(u64::from(first.0) + scores.len() as u64);
        Ok(())
    }

    /// Offers one item. Items may come in any order, each once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a NaN score.
    pub fn offer(&mut self, item: ItemId, score: f32) -> Result<()> {
        let ascending = u64::from(item.0) >= self.end;
        self.offer_each(item.0, &[score], ascending)?;
        self.end = self.end.max(u64::from(item.0) + 1);
        Ok(())
    }

    fn offer_each(&mut self, first: u32, scores: &[f32], ascending: bool) -> Result<()> {
        let mut threshold = self.threshold();
        for (offset, &score) in scores.iter().enumerate() {
            if score < threshold || (ascending && score == threshold) || score == f32::NEG_INFINITY {
                continue;
            }
            let scored = ScoredItem { item: ItemId(first + offset as u32), score };
            if score.is_nan() {
                return Err(Error::invalid(format!("the score of item {} is NaN", scored.item)));
            }
            if !self.is_excluded(scored.item, ascending) {
                self.keep(scored);
                threshold = self.threshold();
            }
        }
        Ok(())
    }

    #[inline]
    fn is_excluded(&mut self, item: ItemId, ascending: bool) -> bool {
        if !ascending {
            return self.exclude.binary_search(&item).is_ok();
        }
        while self.exclude.get(self.cursor).is_some_and(|&excluded| excluded < item) {
            self.cursor += 1;
        }
        self.exclude.get(self.cursor) == Some(&item)
    }

    /// Puts `scored` on the heap if it is better than the worst kept item or there is room.
    fn keep(&mut self, scored: ScoredItem) {
        if self.len < self.heap.len() {
            // Sift up: a parent is never better than its children.
            let mut place = self.len;
            self.len += 1;
            while place > 0 {
                let parent = (place - 1) / 2;
                if !before(self.heap[parent], scored) {
                    break;
                }
                self.heap[place] = self.heap[parent];
                place = parent;
            }
            self.heap[place] = scored;
        } else if self.len > 0 && before(scored, self.heap[0]) {
            let mut place = 0;
            loop {
                let mut child = 2 * place + 1;
                if child >= self.len {
                    break;
                }
                if child + 1 < self.len && before(self.heap[child], self.heap[child + 1]) {
                    child += 1;
                }
                if !before(scored, self.heap[child]) {
                    break;
                }
                self.heap[place] = self.heap[child];
                place = child;
            }
            self.heap[place] = scored;
        }
    }

    /// Sorts the kept items in the storage, best first, and says how many there are.
    pub fn finish(self) -> usize {
        // Not `total_cmp`, which tells 0.0 from -0.0.
        self.heap[..self.len].sort_unstable_by(|a, b| {
            b.score.partial_cmp(&a.score).expect("NaN is refused when offered").then(a.item.cmp(&b.item))
        });
        self.len
    }
}

/// `score <= threshold`; false for NaN.
#[inline(always)]
fn matches_at_most(score: f32, threshold: f32) -> bool {
    score <= threshold
}

/// `score < threshold`; false for NaN.
#[inline(always)]
fn matches_below(score: f32, threshold: f32) -> bool {
    score < threshold
}

/// Writes the best `out.len()` items of a dense row of scores to `out`, best first, and returns how many there
/// are: fewer than `out.len()` if too few items remain.
///
/// `scores[i]` belongs to item `i`; `exclude` and `candidates` are ascending without duplicates. Items that score
/// `-inf` are left out like excluded ones. Nothing is allocated.
///
/// # Errors
/// [`Error::Invalid`] for a NaN among the scores looked at (the candidates', or all), and for a candidate without
/// a score.
pub fn top_k(
    scores: &[f32],
    exclude: &[ItemId],
    candidates: Option<&[ItemId]>,
    out: &mut [ScoredItem],
) -> Result<usize> {
    let mut top = TopK::new(out, exclude);
    match candidates {
        None => top.offer_chunk(ItemId(0), scores)?,
        Some(candidates) => {
            for &item in candidates {
                let score = scores.get(item.index()).copied().ok_or_else(|| {
                    Error::invalid(format!("candidate {item} is not below the {} items", scores.len()))
                })?;
                top.offer(item, score)?;
            }
        }
    }
    Ok(top.finish())
}

/// Answers `queries` with a dense scorer: `score(query, row)` fills one score for each of `n_items` items, of which
/// the best `k` are kept.
///
/// Queries run in parallel, each thread reuses one row, so memory is `threads × n_items` scores and the
/// `queries × k` answers. A row comes with the previous query's scores in it: the scorer overwrites all of it.
///
/// ```
/// use rec_core::rank::score_and_rank;
/// use rec_core::{ItemId, Query};
///
/// let queries = [Query::default(), Query { exclude: &[ItemId(2)], ..Query::default() }];
/// let rankings = score_and_rank(&queries, 2, 3, |_, row| {
///     row.copy_from_slice(&[0.5, 0.1, 0.9]);
///     Ok(())
/// })?;
/// let items = |row: usize| rankings.row(row).iter().map(|scored| scored.item.0).collect::<Vec<_>>();
/// assert_eq!(items(0), [2, 0]);
/// assert_eq!(items(1), [0, 1]);
/// # Ok::<(), rec_core::Error>(())
/// ```
///
/// # Errors
/// What `score` and [`top_k`] report; of several the one of the first query.
pub fn score_and_rank<F>(queries: &[Query<'_>], k: usize, n_items: usize, score: F) -> Result<Rankings>
where
    F: Fn(&Query<'_>, &mut [f32]) -> Result<()> + Sync,
{
    let mut rankings = Rankings::empty(k, queries.len());
    let failure = rankings
        .rows_mut()
        .zip(queries)
        .enumerate()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map_init(
            || vec![0.0_f32; n_items],
            |row, (index, ((out, length), query))| {
                let answer =
                    score(query, row).and_then(|()| top_k(row, query.exclude, query.candidates, out));
                answer.map(|found| *length = found).err().map(|error| (index, error))
            },
        )
        .flatten()
        .min_by_key(|(index, _)| *index);
    failure.map_or(Ok(rankings), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: drop, sort, cut.
    fn by_sorting(
        scores: &[f32],
        exclude: &[ItemId],
        candidates: Option<&[ItemId]>,
        k: usize,
    ) -> Vec<ScoredItem> {
        let mut all: Vec<ScoredItem> = (0..scores.len())
            .map(|index| ScoredItem { item: ItemId::from_index(index), score: scores[index] })
            .filter(|scored| scored.score != f32::NEG_INFINITY && !exclude.contains(&scored.item))
            .filter(|scored| candidates.is_none_or(|candidates| candidates.contains(&scored.item)))
            .collect();
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("no NaN").then(a.item.cmp(&b.item)));
        all.truncate(k);
        all
    }

    fn scores() -> impl Strategy<Value = Vec<f32>> {
        // Few distinct values give ties, also at the cut; the rest gives ordinary rows.
        prop_oneof![
            prop::collection::vec((-2i8..3).prop_map(f32::from), 0..200),
            prop::collection::vec(-1.0e3f32..1.0e3, 0..200),
            prop::collection::vec(
                prop_oneof![
                    Just(f32::NEG_INFINITY),
                    Just(f32::INFINITY),
                    Just(0.0),
                    Just(-0.0),
                    -1.0f32..1.0
                ],
                0..200
            ),
        ]
    }

    fn subset(mask: &[bool], n: usize) -> Vec<ItemId> {
        (0..n).filter(|&index| mask[index % mask.len()]).map(ItemId::from_index).collect()
    }

    proptest! {
        #[test]
        fn equals_a_full_sort(
            scores in scores(),
            excluded in prop::collection::vec(any::<bool>(), 1..50),
            chosen in prop::option::of(prop::collection::vec(any::<bool>(), 1..50)),
            k in 0usize..260,
        ) {
            let exclude = subset(&excluded, scores.len());
            let candidates = chosen.map(|mask| subset(&mask, scores.len()));
            let mut out = vec![ScoredItem::default(); k];
            let found = top_k(&scores, &exclude, candidates.as_deref(), &mut out).unwrap();
            prop_assert_eq!(&out[..found], &by_sorting(&scores, &exclude, candidates.as_deref(), k)[..]);
        }

        #[test]
        fn the_order_of_blocks_does_not_matter(
            scores in scores(),
            excluded in prop::collection::vec(any::<bool>(), 1..50),
            block in 1usize..90,
            turn in 0usize..8,
            k in 1usize..40,
        ) {
            let exclude = subset(&excluded, scores.len());
            let mut out = vec![ScoredItem::default(); k];
            let mut top = TopK::new(&mut out, &exclude);
            let mut blocks: Vec<(usize, &[f32])> = scores.chunks(block).enumerate().collect();
            if turn % 2 == 0 {
                blocks.reverse();
            }
            let middle = turn % blocks.len().max(1);
            blocks.rotate_left(middle);
            for (index, chunk) in blocks {
                top.offer_chunk(ItemId::from_index(index * block), chunk).unwrap();
            }
            let found = top.finish();
            prop_assert_eq!(&out[..found], &by_sorting(&scores, &exclude, None, k)[..]);
        }

        #[test]
        fn nan_is_an_error_wherever_it_stands(
            mut scores in prop::collection::vec(-1.0f32..1.0, 1..200),
            place in any::<prop::sample::Index>(),
            k in 0usize..30,
        ) {
            let place = place.index(scores.len());
            scores[place] = f32::NAN;
            let mut out = vec![ScoredItem::default(); k];
            let error = top_k(&scores, &[], None, &mut out).unwrap_err();
            prop_assert_eq!(error.to_string(), format!("the score of item {place} is NaN"));
            let others: Vec<ItemId> =
                (0..scores.len()).filter(|&item| item != place).map(ItemId::from_index).collect();
            prop_assert!(top_k(&scores, &[], Some(&others), &mut out).is_ok());
        }
    }

    #[test]
    fn threshold_rises_to_the_worst_kept_score() {
        let mut out = [ScoredItem::default(); 2];
        let mut top = TopK::new(&mut out, &[]);
        assert_eq!(top.threshold(), f32::NEG_INFINITY);
        top.offer(ItemId(5), 1.0).unwrap();
        assert_eq!(top.threshold(), f32::NEG_INFINITY);
        top.offer_chunk(ItemId(6), &[3.0]).unwrap();
        assert_eq!(top.threshold(), 1.0);
        top.offer(ItemId(0), 2.0).unwrap();
        assert_eq!(top.threshold(), 2.0);
        // An equal score with a lower id that comes late still wins.
        top.offer(ItemId(2), 3.0).unwrap();
        top.offer(ItemId(1), 3.0).unwrap();
        assert_eq!(top.finish(), 2);
        assert_eq!(out.map(|scored| scored.item.0), [1, 2]);
    }

    #[test]
    fn the_first_failing_query_is_reported() {
        let queries = [Query::default(); 64];
        let ids: Vec<usize> = queries.iter().map(|query| std::ptr::from_ref(query) as usize).collect();
        let error = score_and_rank(&queries, 3, 4, |query, row| {
            row.fill(0.0);
            let index = ids.iter().position(|&id| id == std::ptr::from_ref(query) as usize).unwrap();
            if index % 10 == 7 { Err(Error::invalid(format!("query {index}"))) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "query 7");
    }

    #[test]
    fn candidates_outside_the_catalogue_are_refused() {
        let query = Query { candidates: Some(&[ItemId(1), ItemId(9)]), ..Query::default() };
        let error = score_and_rank(&[query], 3, 4, |_, row| {
            row.fill(0.0);
            Ok(())
        })
        .unwrap_err();
        assert!(error.to_string().contains("candidate 9"), "{error}");
    }
}
