//! The evaluator, through the public API, on an example small enough to work out by hand.

use rec_core::evaluate::{Candidates, Evaluation, Evaluator, SeenMask};
use rec_core::metrics::beyond::Tail;
use rec_core::metrics::{Measure, Metric};
use rec_core::rank::score_and_rank;
use rec_core::{
    Catalogue, Error, Interactions, ItemId, Query, Rankings, Recommender, Result, ScoredItem, Split, UserId,
};

/// Scores every item for every user by a table.
struct Table {
    scores: Vec<Vec<f32>>,
}

impl Recommender for Table {
    fn n_items(&self) -> usize {
        self.scores[0].len()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> Result<Rankings> {
        score_and_rank(queries, k, self.n_items(), |query, row| {
            row.copy_from_slice(&self.scores[query.user.expect("all users are known").index()]);
            Ok(())
        })
    }
}

/// Gives every user the same list, whatever is asked.
struct Stubborn {
    list: Vec<ScoredItem>,
    n_items: usize,
}

impl Recommender for Stubborn {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> Result<Rankings> {
        let mut rankings = Rankings::with_capacity(k, queries.len());
        queries.iter().for_each(|_| rankings.push(&self.list));
        Ok(rankings)
    }
}

fn rows(pairs: &[(u32, u32)]) -> Interactions {
    let (users, items) = pairs.iter().map(|&(user, item)| (UserId(user), ItemId(item))).unzip();
    Interactions::from_pairs(users, items)
}

/// Four users, six items. User 0 has a duplicate positive, user 1 one that was trained too, user 2 has seen all but
/// one item, user 3 has no positive.
fn split() -> Split {
    Split {
        train: rows(&[(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 5)]),
        valid: rows(&[(2, 4)]),
        test: rows(&[(0, 2), (0, 3), (0, 2), (1, 2), (2, 5)]),
        ..Split::default()
    }
}

fn table() -> Table {
    Table {
        scores: vec![
            vec![9.0, 8.0, 1.0, 2.0, 3.0, 0.0], // excluded 0 1; list 4 3 2 5
            vec![9.0, 1.0, 0.0, 1.0, 1.0, 1.0], // excluded 0; ties go by id: list 1 3 4 5 2
            vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0], // excluded 0 to 4; list 5
            vec![0.0; 6],                       // not asked
        ],
    }
}

fn catalogue() -> Catalogue {
    Catalogue {
        category_names: vec!["a".into(), "b".into()],
        categories: Some(vec![vec![0], vec![0], vec![0, 1], vec![1], vec![], vec![1]]),
        ..Catalogue::default()
    }
}

#[track_caller]
fn close(evaluation: &Evaluation, name: &str, expected: f64) {
    let value = evaluation.get(name).unwrap_or_else(|| panic!("no {name}"));
    assert!((value - expected).abs() < 1e-12, "{name}: {value} is not {expected}");
}

fn every_metric(ks: &[usize]) -> Vec<Metric> {
    let listed: Vec<Measure> = Measure::ALL.into_iter().filter(|measure| measure.has_cutoff()).collect();
    Metric::grid(&listed, ks)
}

#[test]
fn four_users_and_six_items_by_hand() {
    let found = Evaluator::test(&split(), 4, 6)
        .unwrap()
        .with_catalogue(&catalogue())
        .unwrap()
        .with_tail(Tail::Share(0.4), false)
        .with_metrics(&every_metric(&[2, 3, 5]))
        .unwrap()
        .evaluate(&table())
        .unwrap();
    assert_eq!(found.users, [UserId(0), UserId(1), UserId(2)]);

    // Positives {2, 3}, {2}, {5}; lists 4 3 2 5 | 1 3 4 5 2 | 5, so hits at ranks 2 3 | 5 | 1.
    close(&found, "hit@2", 2.0 / 3.0);
    close(&found, "hit@5", 1.0);
    close(&found, "precision@2", (0.5 + 0.0 + 0.5) / 3.0);
    close(&found, "precision@5", (0.4 + 0.2 + 0.2) / 3.0);
    close(&found, "recall@2", (0.5 + 0.0 + 1.0) / 3.0);
    close(&found, "recall@3", (1.0 + 0.0 + 1.0) / 3.0);
    close(&found, "f1@2", (0.5 + 0.0 + 2.0 / 3.0) / 3.0);
    close(&found, "mrr@3", (0.5 + 0.0 + 1.0) / 3.0);
    close(&found, "mrr@5", (0.5 + 0.2 + 1.0) / 3.0);
    close(&found, "map@3", ((1.0 / 2.0 + 2.0 / 3.0) / 2.0 + 0.0 + 1.0) / 3.0);
    let discount = |rank: f64| 1.0 / (rank + 1.0).log2();
    close(&found, "ndcg@2", (discount(2.0) / (1.0 + discount(2.0)) + 0.0 + 1.0) / 3.0);
    close(
        &found,
        "ndcg@5",
        ((discount(2.0) + discount(3.0)) / (1.0 + discount(2.0)) + discount(5.0) + 1.0) / 3.0,
    );
    assert_eq!(found.per_user("recall@2").unwrap(), [0.5, 0.0, 1.0]);
    assert_eq!(found.per_user("gini@2"), None);

    // At 2: 4 3 | 1 3 | 5, counts 0 1 0 2 1 1.
    close(&found, "coverage@2", 4.0 / 6.0);
    // Ascending 0 0 1 1 1 2 with the weights -5 -3 -1 1 3 5: -1 + 1 + 3 + 2 * 5 = 13, over 6 items * 5.
    close(&found, "gini@2", 13.0 / (6.0 * 5.0));
    let entropy = -(3.0 * 0.2 * 0.2f64.ln() + 0.4 * 0.4f64.ln());
    close(&found, "entropy@2", entropy);
    close(&found, "entropy-per-item@2", entropy / 4.0);
    close(&found, "div-ratio@2", 4.0 / 5.0);
    close(&found, "or-ratio@2", 4.0 / 5.0);
    // Training counts 4 2 2 1 0 1 of 4 users.
    close(&found, "popularity@2", ((0.0 + 1.0) / 2.0 + (2.0 + 1.0) / 2.0 + 1.0) / 3.0);
    close(&found, "novelty@2", ((2.0 + 2.0) / 2.0 + (1.0 + 2.0) / 2.0 + 2.0) / 3.0);
    // Two of the five trained items: 3 and 5.
    close(&found, "tail@2", (0.5 + 0.5 + 1.0) / 3.0);
    // At 2 only user 1's list has two items with categories, {a} and {b}. At 3 user 0's adds {b} and {a, b}.
    close(&found, "diversity@2", 1.0);
    close(&found, "diversity@3", ((1.0 - 0.5f64.sqrt()) + 1.0) / 2.0);
    // Recommended at 2: item 1 gives a 1; items 3 (twice) and 5 give b 3.
    // Histories 0 1 | 0 2 | 0 1 2 3 4: a 1 + 1 + 1 + .5 + 1 + 1 + .5 = 6, b .5 + .5 + 1 = 2.
    close(&found, "mgu@2", 0.5);
    close(&found, "dgu@2", 1.0);

    assert_eq!(found.counts_k, 5);
    assert_eq!(found.item_counts, [0, 1, 2, 2, 2, 3]);
}

#[test]
fn groups_by_hand() {
    let found = Evaluator::test(&split(), 4, 6)
        .unwrap()
        .with_metrics(&["recall@3".parse().unwrap()])
        .unwrap()
        .evaluate(&table())
        .unwrap();
    // Activity 2, 2, 4 of users 0, 1, 2.
    let names: Vec<_> = found.user_groups.iter().map(|group| (group.name.as_str(), group.users)).collect();
    assert_eq!(names, [("low", 1), ("medium", 1), ("high", 1)]);
    assert_eq!((found.user_groups[2].least, found.user_groups[2].most), (4, 4));
    assert_eq!(found.user_groups[0].values.get("recall@3"), Some(&1.0));
    assert_eq!(found.user_groups[1].values.get("recall@3"), Some(&0.0));
    // Counts 4 2 2 1 0 1 of 10: item 0 is the head, 1 starts at .4 and 2 at .6 in the middle, the rest is tail.
    let items: Vec<_> = found.item_groups.iter().map(|group| (group.items, group.positives)).collect();
    assert_eq!(items, [(1, 0), (2, 2), (3, 2)]);
    assert!(found.item_groups[0].recall.is_empty());
    // Item 2 is found for user 0 and not for user 1; 3 and 5 are found.
    assert_eq!(found.item_groups[1].recall.get("recall@3"), Some(&0.5));
    assert_eq!(found.item_groups[2].recall.get("recall@3"), Some(&1.0));
    let shares: f64 = found.item_groups.iter().map(|group| group.train_share).sum();
    assert!((shares - 1.0).abs() < 1e-12);
    // Lists at 3: 4 3 2 | 1 3 4 | 5.
    assert!((found.item_groups[2].recommended_share - 5.0 / 7.0).abs() < 1e-12);
}

#[test]
fn validation_leaves_out_train_only() {
    let evaluator = Evaluator::validation(&split(), 4, 6).unwrap();
    assert_eq!(evaluator.users(), [UserId(2)]);
    let query = evaluator.query(0);
    assert_eq!(query.exclude, [0, 1, 2, 3].map(ItemId));
    assert_eq!(evaluator.positives(0), [ItemId(4)]);
}

#[test]
fn histories_are_in_order_of_time_where_there_are_times() {
    let mut split = split();
    let evaluator = Evaluator::test(&split, 4, 6).unwrap();
    assert_eq!(evaluator.query(2).history, [0, 1, 2, 3, 4].map(ItemId));
    split.train.timestamps = Some(vec![0.0, 0.0, 0.0, 0.0, 9.0, 8.0, 9.0, 1.0, 0.0, 0.0]);
    // One part without times: the file's order.
    assert_eq!(Evaluator::test(&split, 4, 6).unwrap().query(2).history, [0, 1, 2, 3, 4].map(ItemId));
    split.valid.timestamps = Some(vec![8.5]);
    let evaluator = Evaluator::test(&split, 4, 6).unwrap();
    assert_eq!(evaluator.query(2).history, [3, 1, 4, 0, 2].map(ItemId));
    assert_eq!(evaluator.query(2).exclude, [0, 1, 2, 3, 4].map(ItemId));
}

#[test]
fn nothing_masked_lets_trained_items_through() {
    let found = Evaluator::test(&split(), 4, 6)
        .unwrap()
        .with_seen(SeenMask::Nothing)
        .with_metrics(&["hit@2".parse().unwrap()])
        .unwrap()
        .evaluate(&table())
        .unwrap();
    // Lists 0 1 | 0 1 | 0 1: no hit.
    close(&found, "hit@2", 0.0);
    assert_eq!(found.item_counts, [3, 3, 0, 0, 0, 0]);
}

#[test]
fn lists_that_break_the_contract_are_refused() {
    let evaluator = Evaluator::validation(&split(), 4, 6).unwrap();
    let listed = |items: &[u32]| Stubborn {
        list: items.iter().map(|&item| ScoredItem { item: ItemId(item), score: 1.0 }).collect(),
        n_items: 6,
    };
    let message = |model: &Stubborn| evaluator.evaluate(model).unwrap_err().to_string();
    assert!(evaluator.evaluate(&listed(&[5, 4])).is_ok());
    assert!(evaluator.evaluate(&listed(&[])).is_ok());
    assert_eq!(message(&listed(&[5, 2])), "the list for user 2 holds the excluded item 2");
    assert_eq!(message(&listed(&[5, 4, 5])), "the list for user 2 holds the repeated item 5");
    assert_eq!(message(&listed(&[6])), "the list for user 2 holds item 6 of 6");
    let mut unsure = listed(&[4]);
    unsure.list[0].score = f32::NAN;
    assert_eq!(message(&unsure), "the list for user 2 gives item 4 a NaN score");
    unsure.n_items = 7;
    assert_eq!(message(&unsure), "the recommender knows 7 items, the split has 6");
}

#[test]
fn what_cannot_be_judged_is_refused_early() {
    let evaluator = || Evaluator::test(&split(), 4, 6).unwrap();
    let error = evaluator().with_metrics(&["rmse".parse().unwrap()]).unwrap_err();
    assert!(matches!(&error, Error::Config { key, .. } if key == "metrics"), "{error}");
    assert!(evaluator().with_metrics(&[]).is_err());
    let needy = evaluator().with_metrics(&["mgu@5".parse().unwrap()]).unwrap();
    let error = needy.evaluate(&table()).unwrap_err().to_string();
    assert_eq!(error, "metrics: mgu@5 needs the categories of the items");
    assert!(evaluator().with_candidates(Candidates::Uniform { negatives: 0, seed: 1 }).is_err());
    assert!(Evaluator::test(&split(), 3, 6).unwrap_err().to_string().contains("user 3"));
    assert!(Evaluator::test(&split(), 4, 5).unwrap_err().to_string().contains("item 5"));
    let empty = Split { valid: Interactions::default(), ..split() };
    assert!(Evaluator::validation(&empty, 4, 6).unwrap_err().to_string().contains("validation"));
}

/// A larger case: `users × items`, each user with some rows in every part, scores without structure.
fn made(users: u32, items: u32) -> (Split, Table) {
    let mut split = Split::default();
    let mut state = 7_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    for user in 0..users {
        for place in 0..3 + draw() % 25 {
            // Squaring makes low ids popular.
            let item = (draw() % items) * (draw() % items) / items;
            let part = match place % 5 {
                3 => &mut split.valid,
                4 => &mut split.test,
                _ => &mut split.train,
            };
            part.users.push(UserId(user));
            part.items.push(ItemId(item));
        }
    }
    let scores = (0..users).map(|_| (0..items).map(|_| (draw() % 1000) as f32 / 10.0).collect()).collect();
    (split, Table { scores })
}

#[test]
fn threads_and_blocks_do_not_change_a_bit() {
    let (split, table) = made(400, 150);
    let evaluator = Evaluator::test(&split, 400, 150).unwrap();
    let bits = |threads: usize, block: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| evaluator.clone().with_block(block).evaluate(&table)).unwrap();
        let bits: Vec<u64> = found.values.iter().map(|(_, value)| value.to_bits()).collect();
        (bits, found)
    };
    let reference = bits(1, 1024);
    assert!(reference.1.get("ndcg@10").unwrap() > 0.0);
    for (threads, block) in [(2, 1024), (5, 64), (3, 1)] {
        assert!(bits(threads, block) == reference, "{threads} threads, blocks of {block}");
    }
}

#[test]
fn an_evaluation_survives_json() {
    let (split, table) = made(50, 60);
    let found = Evaluator::test(&split, 50, 60).unwrap().evaluate(&table).unwrap();
    let back: Evaluation = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(back, found);
    let names: Vec<String> = found.values.iter().map(|(name, _)| name.to_owned()).collect();
    let asked: Vec<String> = Metric::default_set().iter().map(ToString::to_string).collect();
    assert_eq!(names, asked);
    let summary = found.summary();
    assert_eq!(summary.values, found.values);
    let json = serde_json::to_string(&summary).unwrap();
    assert!(!json.contains("item_counts") && !json.contains("per_user"), "{json}");
    assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), summary);
}

#[test]
fn sampled_candidates_are_distinct_unseen_and_named_sampled() {
    let (split, table) = made(300, 120);
    for (negatives, popular) in [(5, false), (5, true), (60, false), (60, true)] {
        let candidates = if popular {
            Candidates::Popular { negatives, seed: 3 }
        } else {
            Candidates::Uniform { negatives, seed: 3 }
        };
        let evaluator = Evaluator::test(&split, 300, 120).unwrap().with_candidates(candidates).unwrap();
        let counts = split.train.item_counts(120);
        for index in 0..evaluator.users().len() {
            let query = evaluator.query(index);
            let own = query.candidates.unwrap();
            let positives = evaluator.positives(index);
            assert!(own.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(positives.iter().all(|item| own.contains(item)));
            assert!(own.iter().all(|item| query.exclude.binary_search(item).is_err()));
            let drawable = (0..120)
                .map(ItemId)
                .filter(|item| !positives.contains(item) && !query.exclude.contains(item))
                .filter(|item| !popular || counts[item.index()] > 0)
                .count();
            assert_eq!(own.len(), positives.len() + drawable.min(negatives * positives.len()));
            if popular {
                assert!(own.iter().all(|item| positives.contains(item) || counts[item.index()] > 0));
            }
        }
        let found = evaluator.evaluate(&table).unwrap();
        assert!(found.get("sampled-ndcg@10").is_some() && found.get("ndcg@10").is_none());
        assert!(found.per_user("sampled-recall@10").is_some());
        let again = Evaluator::test(&split, 300, 120).unwrap().with_candidates(candidates).unwrap();
        assert_eq!(again.evaluate(&table).unwrap(), found);
    }
}

#[test]
fn popular_negatives_follow_the_training_counts() {
    // Item 0 has 30 training rows, items 1 to 9 have 10 each; 400 users without history draw one negative each.
    let mut train = Vec::new();
    for item in 0..10 {
        train.extend((0..if item == 0 { 30 } else { 10 }).map(|user| (400 + user, item)));
    }
    let test: Vec<(u32, u32)> = (0..400).map(|user| (user, 10)).collect();
    let split = Split { train: rows(&train), test: rows(&test), ..Split::default() };
    let evaluator = Evaluator::test(&split, 430, 12)
        .unwrap()
        .with_candidates(Candidates::Popular { negatives: 1, seed: 0 })
        .unwrap();
    let mut drawn = [0; 12];
    for index in 0..400 {
        evaluator.query(index).candidates.unwrap().iter().for_each(|item| drawn[item.index()] += 1);
    }
    // 100 expected, standard deviation 8.7.
    assert!((65..135).contains(&drawn[0]), "{drawn:?}");
    assert_eq!((drawn[10], drawn[11]), (400, 0));
}

#[test]
fn held_out_users_are_known_by_their_history_only() {
    let split = Split { fold_in: rows(&[(1, 4), (1, 3)]), train: rows(&[(0, 0), (0, 1)]), ..split() };
    let evaluator = Evaluator::test(&split, 4, 6).unwrap();
    let users: Vec<Option<UserId>> = (0..3).map(|index| evaluator.query(index).user).collect();
    assert_eq!(users, [Some(UserId(0)), None, Some(UserId(2))]);
    assert_eq!(evaluator.query(1).history, [4, 3].map(ItemId));
    assert_eq!(evaluator.query(1).exclude, [3, 4].map(ItemId));
    assert_eq!(evaluator.query(2).history, [ItemId(4)]);
}
