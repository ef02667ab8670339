//! The fused engine against values that PyTorch computed in f64 (`golden/losses.py`).

use cf_align::fused::FusedEngine;
use cf_align::train::{EngineState, StateTensor, TrainingEngine};
use cf_align::{Encoder, Loss, ModelConfig};
use rec_core::{Interactions, ItemId, UserId};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/losses.json")).expect("the golden file is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn ids(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|x| x as u32).collect()
}

fn close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-9f64, |m, x| m.max(x.abs()));
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        assert!(difference <= tolerance * scale, "{what}[{at}]: {got} against {expected}");
    }
}

/// An engine whose tables (and margins) are those of a case.
fn engine(config: ModelConfig, case: &Value, train: &Interactions) -> FusedEngine {
    let (users, items) = (case["user_table"].as_array().unwrap(), case["item_table"].as_array().unwrap());
    let dim = users[0].as_array().unwrap().len();
    let config = ModelConfig { training: cf_align::Training { dim, ..config.training }, ..config };
    let mut engine = FusedEngine::new(&config, train, users.len(), items.len()).unwrap();
    let nodes = users.len() + items.len();
    let to_f32 = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect::<Vec<f32>>();
    let mut table = to_f32(numbers(&case["user_table"]));
    table.extend(to_f32(numbers(&case["item_table"])));
    let mut margins = to_f32(numbers(&case["user_margin"]));
    margins.extend(to_f32(numbers(&case["item_margin"])));
    let tensor =
        |name: &str, shape: Vec<usize>, values: Vec<f32>| StateTensor { name: name.into(), shape, values };
    let zeros = vec![0.0; nodes * dim];
    let state = EngineState {
        tensors: vec![
            tensor("table", vec![nodes, dim], table),
            tensor("first_moment", vec![nodes, dim], zeros.clone()),
            tensor("second_moment", vec![nodes, dim], zeros),
            tensor("margins", vec![nodes], margins),
            tensor("margins_first_moment", vec![nodes], vec![0.0; nodes]),
            tensor("margins_second_moment", vec![nodes], vec![0.0; nodes]),
        ],
        step: 0,
    };
    engine.restore(&state).unwrap();
    engine
}

fn batch_of(case: &Value) -> Vec<(UserId, ItemId)> {
    ids(&case["users"]).into_iter().map(UserId).zip(ids(&case["items"]).into_iter().map(ItemId)).collect()
}

fn rows_of(pairs: &[(UserId, ItemId)]) -> Interactions {
    Interactions::from_pairs(pairs.iter().map(|p| p.0).collect(), pairs.iter().map(|p| p.1).collect())
}

fn check(config: ModelConfig, case: &Value, train: &Interactions, expected: &Value, what: &str) {
    let negatives: Vec<ItemId> = ids(&case["negatives"]).into_iter().map(ItemId).collect();
    let got = engine(config, case, train).gradients(&batch_of(case), &negatives);
    let loss = expected["loss"].as_f64().unwrap();
    assert!((got.loss - loss).abs() < 2e-6 * loss.abs().max(1.0), "{what}: loss {} against {loss}", got.loss);
    close(&format!("{what}: users"), &got.users, &numbers(&expected["grad_user"]), 1e-5);
    close(&format!("{what}: items"), &got.items, &numbers(&expected["grad_item"]), 1e-5);
    if let Some(margins) = expected.get("grad_user_margin") {
        let mut all = numbers(margins);
        all.extend(numbers(&expected["grad_item_margin"]));
        close(&format!("{what}: margins"), &got.margins, &all, 1e-4);
    }
}

#[test]
fn losses_on_plain_tables() {
    for case in golden()["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let train = rows_of(&batch_of(case));
        let gamma = case["gamma"].as_f64().unwrap();
        let with = |loss| ModelConfig { loss, ..ModelConfig::directau() };
        let published = with(Loss::DirectAu { gamma, dedup: false });
        check(published, case, &train, &case["directau"], &format!("{name}/directau"));
        let distinct = with(Loss::DirectAu { gamma, dedup: true });
        check(distinct, case, &train, &case["directau_distinct"], &format!("{name}/distinct"));
        let bpr = with(Loss::Bpr { l2: 0.0, squared: true });
        check(bpr, case, &train, &case["bpr"], &format!("{name}/bpr"));
        let gamma_user = case["gamma1"].as_f64().unwrap();
        let gamma_item = case["gamma2"].as_f64().unwrap();
        let mawu = with(Loss::Mawu { gamma_user, gamma_item });
        if name == "identical_vectors" {
            // At an angle of 0 the angle of an f32 cosine is only known to 3e-4, and its derivative not at all.
            let got = engine(mawu, case, &train).gradients(&batch_of(case), &[]).loss;
            let expected = case["mawu"]["pairs"]["loss"].as_f64().unwrap();
            assert!((got - expected).abs() < 1e-4, "{name}/mawu: {got} against {expected}");
            continue;
        }
        check(mawu, case, &train, &case["mawu"]["pairs"], &format!("{name}/mawu"));
    }
}

fn edges_of(record: &Value) -> Interactions {
    let edges: Vec<u32> = ids(&record["edges"]);
    rows_of(&edges.chunks_exact(2).map(|edge| (UserId(edge[0]), ItemId(edge[1]))).collect::<Vec<_>>())
}

#[test]
fn losses_through_the_graph() {
    let golden = golden();
    let case = &golden["cases"][0];
    let record = &golden["lightgcn"];
    let train = edges_of(record);
    let layers = record["n_layers"].as_u64().unwrap() as usize;
    let gamma = case["gamma"].as_f64().unwrap();
    let with = |loss| ModelConfig { loss, encoder: Encoder::LightGcn { layers }, ..ModelConfig::directau() };
    let mut encoder = engine(with(Loss::DirectAu { gamma, dedup: false }), case, &train);
    let outputs = encoder.embeddings();
    close("propagated users", outputs.users(), &numbers(&record["propagated_user"]), 1e-6);
    close("propagated items", outputs.items(), &numbers(&record["propagated_item"]), 1e-6);
    check(
        with(Loss::DirectAu { gamma, dedup: false }),
        case,
        &train,
        &record["directau"],
        "lightgcn/directau",
    );
    let l2 = record["reg_weight"].as_f64().unwrap();
    check(with(Loss::Bpr { l2, squared: false }), case, &train, &record["bpr_norm"], "lightgcn/bpr, norms");
    check(
        with(Loss::Bpr { l2, squared: true }),
        case,
        &train,
        &record["bpr_squared"],
        "lightgcn/bpr, squares",
    );

    let record = &golden["graphau"];
    let layers = record["n_layers"].as_u64().unwrap() as usize - 1;
    let base = record["base"].as_f64().unwrap();
    let loss = Loss::GraphAu { gamma, base };
    let config = ModelConfig { loss, encoder: Encoder::LightGcn { layers }, ..ModelConfig::directau() };
    check(config, case, &edges_of(record), record, "graphau");
}

/// Rows whose first epoch has these batches. An epoch is shuffled, so they are laid out by the inverse of that.
fn rows_that_are_cut_into(batches: &[Vec<(UserId, ItemId)>], config: &ModelConfig) -> Interactions {
    let shuffled = |rows: &[(UserId, ItemId)]| {
        let mut order = Vec::new();
        cf_align::batches::shuffle(&rows_of(rows), config.training.seed, 0, &mut order);
        order
    };
    let mut rows = batches.concat();
    let places: Vec<_> = (0..rows.len() as u32).map(|place| (UserId(place), ItemId(0))).collect();
    for ((place, _), pair) in shuffled(&places).into_iter().zip(batches.concat()) {
        rows[place.index()] = pair;
    }
    let order = shuffled(&rows);
    let cut: Vec<_> = cf_align::batches::batches(&order, config.training.batch_size).collect();
    assert_eq!(cut, batches, "the epoch has other batches");
    rows_of(&rows)
}

/// Batches that torch's Adam saw, one a step, and what came of them.
struct AdamRun<'a> {
    case: &'a Value,
    record: &'a Value,
    batches: Vec<Vec<(UserId, ItemId)>>,
    losses: Vec<f64>,
    /// The tables after each step.
    after: &'a [Value],
}

impl<'a> AdamRun<'a> {
    fn new(golden: &'a Value, name: &str) -> Self {
        let (case, record) = (&golden["cases"][0], &golden[name]);
        let run = &record["runs"][0];
        assert_eq!(run["dtype"], "float64");
        let batches = record["batches"].as_array().unwrap().iter().map(batch_of).collect();
        let after = run["after"].as_array().unwrap();
        Self { case, record, batches, losses: numbers(&run["losses"]), after }
    }

    /// The engine whose epoch is `batches`, at `state` or at the start.
    fn engine(&self, batches: &[Vec<(UserId, ItemId)>], state: Option<&EngineState>) -> FusedEngine {
        let gamma = self.record["gamma"].as_f64().unwrap();
        let mut config =
            ModelConfig { loss: Loss::DirectAu { gamma, dedup: false }, ..ModelConfig::directau() };
        config.training.learning_rate = self.record["lr"].as_f64().unwrap();
        config.training.weight_decay = self.record["weight_decay"].as_f64().unwrap();
        config.training.batch_size = batches[0].len();
        let mut engine = engine(config.clone(), self.case, &rows_that_are_cut_into(batches, &config));
        if let Some(state) = state {
            engine.restore(state).unwrap();
        }
        engine
    }

    /// The losses of steps `from..to` and the tables after them are torch's.
    fn check(&self, engine: &mut FusedEngine, loss: f64, from: usize, to: usize) {
        let expected = self.losses[from..to].iter().sum::<f64>() / (to - from) as f64;
        let what = format!("steps {from}..{to}");
        assert!((loss - expected).abs() < 2e-6 * expected.abs().max(1.0), "{what}: {loss}, not {expected}");
        let (tables, expected) = (engine.embeddings(), &self.after[to - 1]);
        assert_eq!(expected["steps"], to);
        close(&format!("{what}: users"), tables.users(), &numbers(&expected["user_table"]), ADAM);
        close(&format!("{what}: items"), tables.items(), &numbers(&expected["item_table"]), ADAM);
    }

    /// The most steps that a row which was touched before stays out of and then comes again.
    fn longest_absence(&self) -> usize {
        let absences = |ids: &dyn Fn(&(UserId, ItemId)) -> u32| {
            (0..20)
                .map(|id| {
                    let here = |batch: &Vec<_>| batch.iter().any(|pair| ids(pair) == id);
                    let steps = self.batches.iter().enumerate().filter(|(_, batch)| here(batch));
                    let steps: Vec<usize> = steps.map(|(step, _)| step).collect();
                    steps.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap_or(0)
                })
                .max()
        };
        absences(&|pair| pair.0.0).max(absences(&|pair| pair.1.0)).unwrap()
    }
}

/// Relative to the greatest number of a table. The division by its own root makes a full step of a gradient that is
/// near 0, so its rounding counts.
const ADAM: f64 = 1e-6;

/// Every step an epoch of one batch, at whose end all rows are brought up to date, as torch does it.
#[test]
fn adam_moves_the_tables_as_torch_does() {
    let golden = golden();
    for name in ["adam", "adam_sparse"] {
        let run = AdamRun::new(&golden, name);
        let mut state = None;
        for (step, batch) in run.batches.iter().enumerate() {
            let mut engine = run.engine(std::slice::from_ref(batch), state.as_ref());
            let loss = engine.train_epoch(0).unwrap().loss;
            run.check(&mut engine, loss, step, step + 1);
            state = Some(engine.state());
        }
        assert_eq!(state.unwrap().step as usize, run.batches.len());
    }
}

/// Many steps an epoch, in which absent rows are left behind and catch up when they come again, or at its end. The tables
/// are torch's, and moments and all are to the bit those of steps taken one by one.
#[test]
fn rows_that_catch_up_are_where_torch_has_them() {
    let golden = golden();
    // The last batch of `adam` cannot be of the epoch of the others: two short batches come after whole ones.
    for (name, epochs, absence) in [("adam", &[4, 1][..], 1), ("adam_sparse", &[12], 7)] {
        let run = AdamRun::new(&golden, name);
        assert!(run.longest_absence() >= absence, "{name}: {}", run.longest_absence());
        let (mut start, mut state) = (0, None::<EngineState>);
        for length in epochs {
            let mut one_by_one = state.clone();
            for step in start..start + length {
                let mut engine = run.engine(&run.batches[start..=step], state.as_ref());
                let loss = engine.train_epoch(0).unwrap().loss;
                run.check(&mut engine, loss, start, step + 1);
                let mut single = run.engine(&run.batches[step..=step], one_by_one.as_ref());
                single.train_epoch(0).unwrap();
                assert_eq!(engine.state(), single.state(), "{name}: steps {start}..={step}");
                one_by_one = Some(single.state());
            }
            state = one_by_one;
            start += length;
        }
        assert_eq!(start, run.batches.len());
    }
}

/// The same where a row fills one register of any kind, several, or blocks of them with a rest; with margins, too.
#[test]
fn catching_up_is_the_dense_update_at_every_width() {
    let golden = golden();
    let batches = AdamRun::new(&golden, "adam_sparse").batches;
    for (base, dim) in [ModelConfig::directau(), ModelConfig::mawu()]
        .into_iter()
        .flat_map(|config| [8, 16, 24, 64, 90, 144].map(|dim| (config.clone(), dim)))
    {
        let engine = |batches: &[Vec<(UserId, ItemId)>]| {
            let mut config = base.clone();
            config.training.dim = dim;
            config.training.weight_decay = 1e-3;
            config.training.learning_rate = 1e-2;
            config.training.batch_size = batches[0].len();
            FusedEngine::new(&config, &rows_that_are_cut_into(batches, &config), 12, 15).unwrap()
        };
        let mut deferred = engine(&batches);
        deferred.train_epoch(0).unwrap();
        let mut state = None;
        for batch in &batches {
            let mut single = engine(std::slice::from_ref(batch));
            if let Some(state) = &state {
                single.restore(state).unwrap();
            }
            single.train_epoch(0).unwrap();
            state = Some(single.state());
        }
        assert_eq!(Some(deferred.state()), state, "{:?} of {dim}", base.loss);
    }
}

#[test]
fn measures_and_threshold() {
    use cf_align::analysis::{critical_gamma, overall_alignment, overall_uniformity};
    for record in golden()["measures"].as_array().unwrap() {
        let train = edges_of(record);
        let case = &golden()["cases"][usize::from(record["edges"] != golden()["graphau"]["edges"])];
        let (n_users, n_items) =
            (case["user_table"].as_array().unwrap().len(), case["item_table"].as_array().unwrap().len());
        let model = engine(ModelConfig::directau(), case, &train).embeddings();
        let near = |what: &str, got: f64, expected: &Value| {
            let expected = expected.as_f64().unwrap();
            assert!((got - expected).abs() < 5e-6, "{what}: {got} against {expected}");
        };
        near("alignment", overall_alignment(&model, &train), &record["align"]);
        let user = overall_uniformity(model.users(), model.dim(), &train.user_counts(n_users));
        near("users", user, &record["uniform_user"]);
        let item = overall_uniformity(model.items(), model.dim(), &train.item_counts(n_items));
        near("items", item, &record["uniform_item"]);
        let pairs = rec_core::UserItems::new(&train, n_users, n_items);
        near("critical gamma", critical_gamma(&pairs), &record["critical_gamma"]);
    }
}

#[test]
fn lazy_adam_leaves_absent_rows_alone() {
    let golden = golden();
    let case = &golden["cases"][0];
    let train = rows_of(&batch_of(case));
    let dim = case["user_table"][0].as_array().unwrap().len();
    // User 11 is in no batch of this case.
    assert!(!train.users.contains(&UserId(11)));
    let present = train.users[0].index();
    for (optimizer, moves) in [(cf_align::Optimizer::Lazy, false), (cf_align::Optimizer::Dense, true)] {
        let mut config = ModelConfig::directau();
        config.training.optimizer = optimizer;
        config.training.weight_decay = 1e-2;
        config.training.learning_rate = 1e-2;
        let mut engine = engine(config.clone(), case, &train);
        let before = engine.embeddings();
        engine.train_epoch(0).unwrap();
        let after = engine.embeddings();
        let row =
            |model: &cf_align::Embeddings, user: usize| model.users()[user * dim..(user + 1) * dim].to_vec();
        assert_ne!(row(&before, present), row(&after, present));
        assert_eq!(row(&before, 11) != row(&after, 11), moves, "{optimizer:?}");
        // Through the graph every row has a gradient: there lazy means nothing and is refused.
        let graph = ModelConfig { encoder: Encoder::LightGcn { layers: 2 }, ..config };
        assert_eq!(graph.validate().is_err(), !moves);
    }
}

#[test]
fn the_instruction_set_is_the_one_asked_for() {
    use cf_align::fused::simd::{Level, level};
    match std::env::var("SEXTANT_SIMD").as_deref() {
        Ok("portable") => assert_eq!(level(), Level::Portable),
        Ok("avx2") => assert!(level() <= Level::Avx2),
        _ => assert!(level() >= Level::Portable),
    }
}

/// The tests above run on the widest instruction set that the processor has, decided once in a process; so they run
/// again in processes that are held to narrower ones.
#[test]
fn narrower_instruction_sets_agree_with_torch_too() {
    for level in ["avx2", "portable"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--skip", "narrower_instruction_sets_agree_with_torch_too"])
            .env("SEXTANT_SIMD", level)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{level}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let passed =
            said.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed"));
        let passed: usize = passed.map_or(0, |(number, _)| number.parse().unwrap());
        assert!(passed > 0, "{level}: nothing ran: {said}");
    }
}
