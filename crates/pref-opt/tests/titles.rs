//! Titles of several tokens: a tokenizer learned from them, constrained search against exact scores, grounding by states,
//! and rounds that train adapters alone.

use pref_opt::burn::module::Module;
use pref_opt::burn::tensor::Device;
use pref_opt::codec::ItemCodec;
use pref_opt::data::Window;
use pref_opt::negatives::{NegativeSource, negatives};
use pref_opt::score::{LanguageRecommender, item_log_probs};
use pref_opt::states::{Correction, StateIndex, last_states};
use pref_opt::titles::{TitleDecoder, learn_titles};
use pref_opt::{CausalLm, CausalLmConfig, Pass, Slot};
use rec_core::{ItemId, Query, Recommender};

fn titles() -> Vec<String> {
    let titles =
        ["Alien (1979)", "Aliens (1986)", "Brazil (1985)", "Heat (1995)", "The \"Big\" Sleep (1946)", "M"];
    titles.map(str::to_owned).into()
}

fn model(codec: &ItemCodec, seed: u64) -> CausalLm {
    let shape = CausalLmConfig {
        vocab_size: codec.vocab_size(),
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 256,
        initializer_range: 0.3,
        ..CausalLmConfig::default()
    };
    shape.init(seed, &Device::flex().autodiff()).unwrap()
}

#[test]
fn titles_come_back_from_their_tokens() {
    let titles = titles();
    let (codec, tokenizer) = learn_titles(&titles, 300).unwrap();
    for (item, title) in titles.iter().enumerate() {
        let mut tokens = codec.completion(ItemId::from_index(item));
        assert_eq!(tokens.pop(), Some(ItemCodec::EOS));
        assert_eq!(&tokenizer.decode(&tokens).unwrap(), title);
        assert!(tokens.iter().all(|&token| token >= ItemCodec::FIRST));
    }
    assert!(learn_titles(&titles, 100).is_err());
}

#[test]
fn a_search_with_beams_for_all_titles_ranks_as_exact_scores_do() {
    let (codec, _) = learn_titles(&titles(), 270).unwrap();
    let model = model(&codec, 4).valid();
    let decoder = TitleDecoder::new(&codec, 6).unwrap();
    let prompt = codec.prompt(&[ItemId(2), ItemId(5)]);
    let exact = item_log_probs(&model, &codec, std::slice::from_ref(&prompt), Slot::Active).unwrap();
    let found = decoder.top(&model, &prompt, 6, |_| false).unwrap();
    assert_eq!(found.len(), 6);
    for (scored, next) in found.iter().zip(found.iter().skip(1)) {
        assert!(scored.score >= next.score);
    }
    for scored in &found {
        assert!((scored.score - exact[scored.item.index()]).abs() < 1e-4, "{scored:?} {exact:?}");
    }
    // Barred titles are not written, whatever their score.
    let best = found[0].item;
    let others = decoder.top(&model, &prompt, 5, |item| item == best).unwrap();
    let expected: Vec<ItemId> = found[1..].iter().map(|scored| scored.item).collect();
    assert_eq!(others.iter().map(|scored| scored.item).collect::<Vec<_>>(), expected);

    let recommender = LanguageRecommender {
        model,
        codec: codec.clone(),
        most_history: 10,
        debias: None,
        decoder: Some(decoder),
    };
    let history = [ItemId(2), ItemId(5)];
    let query = Query { user: None, history: &history, exclude: &history, candidates: None };
    let searched = recommender.recommend(&[query], 4).unwrap();
    let debiased = LanguageRecommender { debias: Some(vec![0.0; 6]), ..recommender.clone() };
    let error = debiased.recommend(&[query], 4).unwrap_err().to_string();
    assert!(error.contains("leave out the decoder"), "{error}");
    let scored = LanguageRecommender { decoder: None, ..recommender }.recommend(&[query], 4).unwrap();
    let items = |row: &[rec_core::ScoredItem]| row.iter().map(|scored| scored.item).collect::<Vec<_>>();
    assert_eq!(items(searched.row(0)), items(scored.row(0)));
}

#[test]
fn negatives_are_titles_outside_the_history() {
    let (codec, _) = learn_titles(&titles(), 270).unwrap();
    let model = model(&codec, 4).valid();
    let windows: Vec<Window> = (0..12_u32)
        .map(|at| Window {
            history: (0..4).map(|step| ItemId((at + step) % 6)).collect(),
            target: ItemId((at + 4) % 6),
        })
        .collect();
    let of = |source: &NegativeSource, exclude| {
        negatives(source, &model, &codec, &windows, &[1; 6], exclude, (1, 1)).unwrap()
    };
    let greedy = of(&NegativeSource::Greedy, true);
    for (window, items) in windows.iter().zip(&greedy) {
        assert!(items.len() == 1 && !window.history.contains(&items[0]));
    }
    // Of the two titles left the likelier one: a search of four beams over two titles is exact.
    let beam = of(&NegativeSource::Beam { k: 1 }, true);
    for (window, items) in windows.iter().zip(&beam) {
        let exact = item_log_probs(&model, &codec, &[codec.prompt(&window.history)], Slot::Active).unwrap();
        let other = (0..6).map(ItemId).find(|item| !window.history.contains(item) && *item != items[0]);
        assert!(exact[items[0].index()] >= exact[other.unwrap().index()]);
    }
    let sampled = NegativeSource::Sample { temperature: 1.0 };
    let drawn = of(&sampled, true);
    assert_eq!(drawn, of(&sampled, true));
    assert!(windows.iter().zip(&drawn).all(|(window, items)| !window.history.contains(&items[0])));
    let free = of(&NegativeSource::Greedy, false);
    assert!(free.iter().all(|items| items.len() == 1));
}

#[test]
fn the_nearest_title_to_a_title_is_itself_and_popularity_moves_the_others() {
    let (codec, _) = learn_titles(&titles(), 270).unwrap();
    let model = model(&codec, 4).valid();
    let texts: Vec<Vec<u32>> = (0..6).map(|item| codec.prompt(&[ItemId(item)])).collect();
    let index = StateIndex::new(&model, &texts, &mut Pass::default()).unwrap();
    assert_eq!(index.len(), 6);
    // A state does not depend on the padding of its neighbours.
    let alone = last_states(&model, &texts[5..], &mut Pass::default()).unwrap();
    let found = index.nearest(&alone, 3, None);
    assert_eq!(found[0].item, ItemId(5));
    assert!(found[0].score > -1e-2, "{found:?}");
    assert!(found[1].score >= found[2].score);
    // A popular item comes nearer; with gamma 0 nothing changes.
    let mut popular = [0.0; 6];
    popular[found[2].item.index()] = 9.0;
    let plain = index.nearest(&alone, 6, Some(Correction { values: &popular, gamma: 0.0 }));
    let order = |items: &[rec_core::ScoredItem]| items.iter().map(|scored| scored.item).collect::<Vec<_>>();
    assert_eq!(order(&plain), order(&index.nearest(&alone, 6, None)));
    let moved = index.nearest(&alone, 6, Some(Correction { values: &popular, gamma: 99.0 }));
    let place = |items: &[rec_core::ScoredItem]| {
        items.iter().position(|scored| scored.item == found[2].item).unwrap()
    };
    assert!(place(&moved) < place(&plain), "{moved:?} {plain:?}");
}
