//! Rounds of self-play on a toy catalogue, through the public API.

use pref_opt::burn::module::Module;
use pref_opt::burn::tensor::{Device, Tensor};
use pref_opt::codec::ItemCodec;
use pref_opt::data::{DataConfig, PreferenceData, Window};
use pref_opt::log_probs::completion_log_probs;
use pref_opt::loss::{Objective, PreferenceLoss};
use pref_opt::negatives::{NegativeSource, negatives};
use pref_opt::score::{LanguageRecommender, item_log_probs};
use pref_opt::selfplay::{PreferenceStage, ReferenceRule, SelfPlayConfig, Task, play, round_rows};
use pref_opt::train::{PairExample, Reference, StageConfig, train_preferences, train_sft};
use pref_opt::{CausalLm, CausalLmConfig, Error, LoraConfig, Pass, Slot};
use rec_core::run::{RunFolder, Start};
use rec_core::{Catalogue, Dataset, IdMap, Interactions, ItemId, Query, Recommender, UserId};

/// 12 users who walk round 9 titles, of which two are the same.
fn data() -> PreferenceData {
    let titles = ["Alien", "Brazil", "Clue", "Dune", "Eraserhead", "Fargo", "Gandhi", "Heat", "Alien"];
    let (mut users, mut items) = (Vec::new(), Vec::new());
    for user in 0..12_u32 {
        for step in 0..7_u32 {
            users.push(UserId(user));
            items.push(ItemId((user + step) % 9));
        }
    }
    let dataset = Dataset {
        name: "toy".into(),
        interactions: Interactions::from_pairs(users, items),
        users: IdMap::numbered(12),
        items: IdMap::numbered(9),
        catalogue: Catalogue { titles: Some(titles.map(str::to_owned).into()), ..Catalogue::default() },
        ..Dataset::default()
    };
    PreferenceData::new(dataset, &DataConfig { least_history: 2, ..DataConfig::default() }).unwrap()
}

fn model(codec: &ItemCodec, seed: u64) -> CausalLm {
    let shape = CausalLmConfig {
        vocab_size: codec.vocab_size(),
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 32,
        ..CausalLmConfig::default()
    };
    shape.init(seed, &Device::flex().autodiff()).unwrap()
}

fn config(rounds: usize) -> SelfPlayConfig {
    let stage = StageConfig { learning_rate: 1e-2, batch_size: 8, ..StageConfig::default() };
    SelfPlayConfig {
        rounds,
        rows: 20,
        sft: Some(stage.clone()),
        reweight: 0.0,
        preference: Some(PreferenceStage {
            negatives: NegativeSource::Greedy,
            objective: Objective::default(),
            reference: ReferenceRule::Current,
            stage,
        }),
        mode: Default::default(),
    }
}

#[test]
fn titles_are_merged_and_the_last_events_are_held_out() {
    let data = data();
    assert_eq!(data.n_items(), 8);
    // Seven events, or six where a user met both Aliens; two held out; a history of two.
    assert!(data.windows.iter().all(|window| window.history.len() >= 2));
    assert_eq!(data.windows.len(), data.histories.iter().map(|items| items.len() - 2).sum::<usize>());
    assert_eq!(data.split.test.len(), 12);
}

#[test]
fn a_run_that_was_killed_ends_in_the_same_bits() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let codec = ItemCodec::one_token(data.n_items());
    let task = Task { data: &data, codec: &codec, seed: 3 };
    let base = model(&codec, 1);
    let (_, whole) = play(&base, &task, &config(3), None, &mut |_, _| Ok(())).unwrap();
    assert_ne!(whole[0].weights_sha256, whole[1].weights_sha256);
    assert_ne!(whole[0].rows_sha256, whole[1].rows_sha256);
    // Killed in the third round, after its training and before its checkpoint.
    let mut run = RunFolder::open(place.path().join("a"), &config(3), Start::New).unwrap();
    let cut = play(&base, &task, &config(3), Some(&mut run), &mut |_, record| match record.round {
        3 => Err(Error::invalid("killed")),
        _ => Ok(()),
    });
    assert!(cut.is_err());
    drop(run);
    let mut run = RunFolder::open(place.path().join("a"), &config(3), Start::Resume).unwrap();
    let mut judged = Vec::new();
    let (_, resumed) = play(&base, &task, &config(3), Some(&mut run), &mut |_, record| {
        judged.push(record.round);
        Ok(())
    })
    .unwrap();
    assert_eq!(judged, [3]);
    assert_eq!(resumed, whole);
    assert!(place.path().join("a/round-3.json").exists());
    // Killed between the two files of a round: the checkpoint cannot be written, the manifest is there.
    let blocked = place.path().join("b");
    let mut run = RunFolder::open(&blocked, &config(1), Start::New).unwrap();
    std::fs::create_dir(blocked.join(".checkpoint.safetensors.partial")).unwrap();
    assert!(play(&base, &task, &config(1), Some(&mut run), &mut |_, _| Ok(())).is_err());
    assert!(blocked.join("round-1.json").exists());
    assert_eq!(round_rows(50, 20, 3, 1), round_rows(50, 20, 3, 1));
}

#[test]
fn rounds_on_adapters_leave_the_base_as_it_is() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let codec = ItemCodec::one_token(data.n_items());
    let task = Task { data: &data, codec: &codec, seed: 3 };
    let lora = LoraConfig { rank: 2, alpha: 4.0, dropout: 0.0, ..LoraConfig::default() };
    let base = model(&codec, 1).add_lora(&lora, 5).unwrap();
    let mut run = RunFolder::open(place.path().join("a"), &config(2), Start::New).unwrap();
    let (policy, whole) = play(&base, &task, &config(2), Some(&mut run), &mut |_, _| Ok(())).unwrap();
    let host = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
    let up = |model: &CausalLm| host(model.layers[0].mlp.up_proj.weight.val());
    let change = |model: &CausalLm| host(model.layers[0].mlp.up_proj.active.as_ref().unwrap().b.val());
    assert_eq!(up(&policy), up(&base));
    assert_eq!(host(policy.embed_tokens.weight.val()), host(base.embed_tokens.weight.val()));
    assert_ne!(change(&policy), change(&base));
    // The checkpoint holds base and adapters: a run cut off after its first round ends the same.
    let mut cut = RunFolder::open(place.path().join("b"), &config(2), Start::New).unwrap();
    let stopped = play(&base, &task, &config(2), Some(&mut cut), &mut |_, record| match record.round {
        2 => Err(Error::invalid("killed")),
        _ => Ok(()),
    });
    assert!(stopped.is_err());
    let (resumed, records) = play(&base, &task, &config(2), Some(&mut cut), &mut |_, _| Ok(())).unwrap();
    assert_eq!(records, whole);
    assert_eq!(change(&resumed), change(&policy));
}

#[test]
fn a_policy_that_is_its_own_reference_starts_at_ln_2() {
    let codec = ItemCodec::one_token(8);
    let base = model(&codec, 1);
    let pair = PairExample {
        prompt: codec.prompt(&[ItemId(1), ItemId(2)]),
        chosen: codec.completion(ItemId(3)),
        rejected: vec![codec.completion(ItemId(4))],
    };
    let reference = Reference::Frozen(Box::new(base.valid()));
    let objective = Objective::default();
    let stage = StageConfig { learning_rate: 1e-2, epochs: 30, ..StageConfig::default() };
    let once = StageConfig { epochs: 1, ..stage.clone() };
    let pairs = [pair];
    let (_, metrics) =
        train_preferences(base.clone(), &pairs, &reference, &objective, &once, 1, "t").unwrap();
    assert!((metrics["loss"] - std::f64::consts::LN_2).abs() < 1e-6);
    assert_eq!(metrics["rewards/margins"], 0.0);
    let (trained, metrics) =
        train_preferences(base.clone(), &pairs, &reference, &objective, &stage, 1, "t").unwrap();
    assert!(metrics["rewards/margins"] > 0.0 && metrics["rewards/accuracies"] > 0.9, "{metrics:?}");
    let row = |model: &CausalLm, tokens: &[u32]| {
        let found = completion_log_probs(model, &[(&pairs[0].prompt, tokens)], &mut Pass::default()).unwrap();
        found.sums.into_scalar::<f32>()
    };
    assert!(row(&trained, &pairs[0].chosen) > row(&base, &pairs[0].chosen));
    assert!(row(&trained, &pairs[0].rejected[0]) < row(&base, &pairs[0].rejected[0]));
    let none = train_preferences(base.clone(), &pairs, &Reference::None, &objective, &once, 1, "t");
    assert_eq!(none.unwrap_err().to_string(), "reference: is none, but a loss needs one");
    let free = Objective::of(PreferenceLoss::SimPo { gamma: 0.5 }, 2.0);
    assert!(train_preferences(base, &pairs, &Reference::None, &free, &once, 1, "t").is_ok());
}

#[test]
fn references_weigh_tokens_as_the_policy_does() {
    let codec = ItemCodec::titles(vec![vec![5, 6], vec![7], vec![5, 8, 9]], 10).unwrap();
    let base = model(&codec, 2).add_lora(&LoraConfig { rank: 2, ..LoraConfig::default() }, 1).unwrap();
    let base = base.freeze_reference();
    let pair = |chosen: u32, rejected: [u32; 2]| PairExample {
        prompt: codec.prompt(&[ItemId(chosen), ItemId(1)]),
        chosen: codec.completion(ItemId(chosen)),
        rejected: rejected.map(|item| codec.completion(ItemId(item))).into(),
    };
    let pairs = [pair(0, [1, 2]), pair(2, [0, 1])];
    let mut objective = Objective::of(PreferenceLoss::Dmpo, 0.1);
    objective.length_alpha = 0.3;
    let once = StageConfig { epochs: 1, ..StageConfig::default() };
    for reference in [Reference::Frozen(Box::new(base.valid())), Reference::AdapterSlot(Slot::Reference)] {
        let (_, metrics) =
            train_preferences(base.clone(), &pairs, &reference, &objective, &once, 1, "t").unwrap();
        assert!((metrics["loss"] - std::f64::consts::LN_2).abs() < 1e-6, "{metrics:?}");
    }
}

#[test]
fn log_probabilities_do_not_depend_on_padding_and_titles_sum_over_tokens() {
    let codec = ItemCodec::titles(vec![vec![5, 6], vec![7], vec![5, 8, 9]], 10).unwrap();
    let base = model(&codec, 2).valid();
    let prompt = codec.prompt(&[ItemId(0), ItemId(2)]);
    let rows: Vec<_> = (0..3).map(|item| (&prompt, codec.completion(ItemId(item)))).collect();
    let together = completion_log_probs(&base, &rows, &mut Pass::default()).unwrap();
    assert_eq!(together.lengths, [3, 2, 4]);
    let together: Vec<f32> = together.sums.into_data().iter::<f32>().collect();
    let scored = item_log_probs(&base, &codec, std::slice::from_ref(&prompt), Slot::Active).unwrap();
    for (index, row) in rows.iter().enumerate() {
        let alone = completion_log_probs(&base, std::slice::from_ref(row), &mut Pass::default()).unwrap();
        let alone = alone.sums.into_scalar::<f32>();
        assert!((alone - together[index]).abs() < 1e-5 && (alone - scored[index]).abs() < 1e-5);
    }
    let empty: [(&[u32], &[u32]); 1] = [(&prompt, &[])];
    assert!(matches!(
        completion_log_probs(&base, &empty, &mut Pass::default()),
        Err(Error::EmptyCompletion { row: 0 })
    ));
}

#[test]
fn supervised_training_learns_and_greedy_negatives_are_the_best_items() {
    let data = data();
    let codec = ItemCodec::one_token(data.n_items());
    let examples: Vec<_> =
        data.windows.iter().map(|window| codec.example(&window.history, window.target)).collect();
    let stage = StageConfig { learning_rate: 1e-2, epochs: 30, ..StageConfig::default() };
    let (trained, metrics) = train_sft(model(&codec, 1), &examples, None, &stage, 1, "sft").unwrap();
    assert!(metrics["loss"] < 1.5, "{metrics:?}");
    let windows: Vec<Window> = data.windows[..6].to_vec();
    let frozen = trained.valid();
    let of = |source: &NegativeSource| {
        negatives(source, &frozen, &codec, &windows, &data.target_counts, true, (1, 1)).unwrap()
    };
    let greedy = of(&NegativeSource::Greedy);
    let beam = of(&NegativeSource::Beam { k: 3 });
    for ((window, greedy), beam) in windows.iter().zip(&greedy).zip(&beam) {
        assert_eq!(greedy[0], beam[0]);
        assert!(beam.iter().all(|item| !window.history.contains(item)));
    }
    let random = of(&NegativeSource::RandomItem { k: 3 });
    for (window, items) in windows.iter().zip(&random) {
        assert!(!items.contains(&window.target) && items.len() == 3);
    }
    assert_eq!(
        of(&NegativeSource::Sample { temperature: 1.0 }),
        of(&NegativeSource::Sample { temperature: 1.0 })
    );
    let fixed = of(&NegativeSource::Fixed { items: vec![ItemId(2), ItemId(5)] });
    for (window, items) in windows.iter().zip(&fixed) {
        let open = [ItemId(2), ItemId(5)].into_iter().filter(|item| !window.history.contains(item));
        assert_eq!(*items, open.collect::<Vec<_>>());
    }
    assert!(fixed.iter().any(|items| items.len() < 2));
    let refused = |source: &NegativeSource, counts: &[u32]| {
        negatives(source, &frozen, &codec, &windows, counts, true, (1, 1)).unwrap_err().to_string()
    };
    let beyond = NegativeSource::Fixed { items: vec![ItemId(8)] };
    assert_eq!(refused(&beyond, &[1; 8]), "negatives.items: has item 8, but there are 8");
    let twice = NegativeSource::Fixed { items: vec![ItemId(1), ItemId(1)] };
    assert_eq!(refused(&twice, &[1; 8]), "negatives.items: has an item twice");
    assert!(refused(&NegativeSource::Popular { k: 1 }, &[0; 8]).starts_with("negatives.kind"));
}

#[test]
fn a_padded_vocabulary_shifts_no_scores() {
    let (small, large) = (ItemCodec::one_token(8), ItemCodec::one_token(11));
    let model = model(&large, 1).valid();
    let prompts = [small.prompt(&[ItemId(1)]), small.prompt(&[ItemId(3), ItemId(7)])];
    let of = |codec| item_log_probs(&model, codec, &prompts, Slot::Active).unwrap();
    let (own, all) = (of(&small), of(&large));
    assert_eq!(own, [&all[..8], &all[11..19]].concat());
    let error = item_log_probs(&model, &ItemCodec::one_token(12), &prompts, Slot::Active).unwrap_err();
    assert_eq!(error.to_string(), "vocab_size: is 16, but the codec has 17 tokens");
}

#[test]
fn what_cannot_be_taken_off_scores_is_refused() {
    let codec = ItemCodec::one_token(8);
    let recommender = |debias| LanguageRecommender {
        model: model(&codec, 1).valid(),
        codec: codec.clone(),
        most_history: 5,
        debias: Some(debias),
        decoder: None,
    };
    let history = [ItemId(2)];
    let query = Query { user: None, history: &history, exclude: &history, candidates: None };
    assert!(recommender(vec![0.0; 8]).recommend(&[query], 3).is_ok());
    let short = recommender(vec![0.0; 5]).recommend(&[query], 3).unwrap_err();
    assert!(short.to_string().contains("5 numbers for 8 items"), "{short}");
}

#[test]
fn adapters_drop_by_seed_and_only_where_they_are_told_to() {
    let (data, codec) = (data(), ItemCodec::one_token(8));
    let examples: Vec<_> =
        data.windows.iter().map(|window| codec.example(&window.history, window.target)).collect();
    // One batch a step and all rows in it: the seed orders rows, which moves sums by rounding alone.
    let stage =
        StageConfig { learning_rate: 1e-2, batch_size: examples.len(), epochs: 3, ..StageConfig::default() };
    let loss = |dropout: f64, seed: u64| {
        let lora = LoraConfig { rank: 2, alpha: 4.0, dropout, ..LoraConfig::default() };
        let base = model(&codec, 1).add_lora(&lora, 5).unwrap();
        train_sft(base, &examples, None, &stage, seed, "sft").unwrap().1["loss"]
    };
    assert!((loss(0.0, 1) - loss(0.0, 2)).abs() < 1e-5);
    assert_eq!(loss(0.3, 1), loss(0.3, 1));
    assert!((loss(0.3, 1) - loss(0.3, 2)).abs() > 1e-5);
}
