//! BLEU and ROUGE against the values of sacrebleu and rouge-score (`golden/overlap.py`).

use agents::overlap::{BleuCounts, LONGEST, Overlap, Pair, corpus_bleu, rouge_l, rouge_n};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    corpora: Vec<Corpus>,
}

#[derive(Deserialize)]
struct Corpus {
    pairs: Vec<[Vec<String>; 2]>,
    bleu: [f64; LONGEST],
    rouge: Vec<[[f64; 3]; 3]>,
}

#[test]
fn scores_are_those_of_sacrebleu_and_rouge_score() {
    let text = include_str!("golden/overlap.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert!(golden.corpora.len() >= 10);
    for corpus in &golden.corpora {
        let pairs: Vec<Pair<'_, String>> =
            corpus.pairs.iter().map(|[text, reference]| (&text[..], &reference[..])).collect();
        let counts: Vec<BleuCounts> = pairs.iter().copied().map(BleuCounts::of).collect();
        for (order, wanted) in (1..).zip(corpus.bleu) {
            let (score, interval) = corpus_bleu(&counts, order, 50, 1);
            assert!((score - wanted).abs() < 1e-9, "BLEU-{order}: {score}, not {wanted}");
            assert!(interval.low <= interval.high);
        }
        for (pair, wanted) in pairs.iter().copied().zip(&corpus.rouge) {
            let found = [rouge_n(pair, 1), rouge_n(pair, 2), rouge_l(pair)];
            for (found, wanted) in found.into_iter().zip(wanted) {
                let found = [found.precision, found.recall, found.f1];
                assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} {wanted:?}");
            }
        }
    }
}

#[test]
fn a_text_is_most_like_itself_and_not_like_another() {
    let (a, b) = (["a", "fine", "film", "indeed"], ["so", "dull", "and", "long"]);
    let same = BleuCounts::of((&a[..], &a[..]));
    let other = BleuCounts::of((&a[..], &b[..]));
    for order in 1..=LONGEST {
        assert_eq!((same.score(order), other.score(order)), (1.0, 0.0));
    }
    assert_eq!((rouge_l((&a[..], &a[..])).f1, rouge_l((&a[..], &b[..])).f1), (1.0, 0.0));
    let none: [&str; 0] = [];
    assert_eq!(rouge_n((&none[..], &a[..]), 2), Overlap::default());
    assert_eq!(corpus_bleu(&[], 4, 10, 1).0, 0.0);
}
