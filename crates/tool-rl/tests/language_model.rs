//! Policies: masks, padding, losses beside TRL, rollouts that do not depend on company, small problems solved, resuming.
#![cfg(feature = "flex")]

use rec_core::{Json, ToolCall, ToolSpec};
use serde_json::Value;
use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig};
use tool_rl::burn::tensor::{Device, Tensor, TensorData};
use tool_rl::env::{End, Facts, Outcome, Reply, Status, ToolEnvironment, Transition};
use tool_rl::lm::loss::{policy_loss, value_loss};
use tool_rl::lm::{
    ActorCritic, Draw, Job, LearnConfig, RolloutConfig, Row, TrainConfig, Trainer, evaluate, fine_tune,
    rollout,
};
use tool_rl::{ActionCodec, CausalLm, CausalLmConfig, Episode, Limits, Method, PolicyLoss, play};

fn device() -> Device {
    Device::flex().autodiff()
}

fn model(vocab_size: usize, seed: u64) -> CausalLm {
    let config = CausalLmConfig {
        vocab_size,
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        max_position_embeddings: 320,
        ..CausalLmConfig::default()
    };
    config.init(seed, &device()).unwrap()
}

fn tensor(values: &[f32]) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &device())
}

fn host(values: Tensor<1>) -> Vec<f32> {
    values.into_data().iter::<f32>().collect()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "at {at}: {a}, not {b}");
    }
}

#[test]
fn losses_and_their_gradients_are_trls() {
    let golden: Value = serde_json::from_str(include_str!("golden/advantages_and_losses.json")).unwrap();
    let golden = &golden["ppo"];
    let of = |key: &str| tensor(&floats(&golden[key]));
    let clip = PolicyLoss::Clip { low: 0.2, high: 0.2, dual: None };
    let log_probs = of("log_probs").require_grad();
    let loss = policy_loss(clip, log_probs.clone(), of("old_log_probs"), of("advantages")).mean();
    close(&host(loss.clone()), &[golden["policy_loss"].as_f64().unwrap() as f32], 1e-5);
    let gradients = loss.backward();
    close(&host(log_probs.grad(&gradients).unwrap()), &floats(&golden["log_prob_gradient"]), 1e-5);
    let values = of("values").require_grad();
    let loss = value_loss(values.clone(), of("old_values"), of("returns"), Some(0.2)).mean();
    close(&host(loss.clone()), &[golden["value_loss"].as_f64().unwrap() as f32], 1e-5);
    let gradients = loss.backward();
    close(&host(values.grad(&gradients).unwrap()), &floats(&golden["value_gradient"]), 1e-5);
}

#[test]
fn at_ratio_one_the_clipped_loss_has_the_policy_gradient() {
    let old = [-0.5, -1.0, -2.0, -0.1];
    let advantages = [1.0, -2.0, 0.5, 0.0];
    for loss in [
        PolicyLoss::Clip { low: 0.2, high: 0.3, dual: Some(3.0) },
        PolicyLoss::Clip { low: 0.2, high: 0.2, dual: None },
        PolicyLoss::Reinforce,
    ] {
        let log_probs = tensor(&old).require_grad();
        let gradients =
            policy_loss(loss, log_probs.clone(), tensor(&old), tensor(&advantages)).sum().backward();
        close(&host(log_probs.grad(&gradients).unwrap()), &[-1.0, 2.0, -0.5, 0.0], 1e-6);
    }
}

#[test]
fn clipping_stops_the_gradient_where_it_should() {
    // Ratios 1.5 and 0.5 with advantages of both signs: the gradient is cut where the ratio has gone far enough already.
    let old = [-1.0; 4];
    let new = [-1.0 + 1.5_f32.ln(), -1.0 + 1.5_f32.ln(), -1.0 + 0.5_f32.ln(), -1.0 + 0.5_f32.ln()];
    let log_probs = tensor(&new).require_grad();
    let clip = PolicyLoss::Clip { low: 0.2, high: 0.2, dual: None };
    let gradients =
        policy_loss(clip, log_probs.clone(), tensor(&old), tensor(&[1.0, -1.0, 1.0, -1.0])).sum().backward();
    close(&host(log_probs.grad(&gradients).unwrap()), &[0.0, 1.5, -0.5, 0.0], 1e-6);
    // With a dual clip a large ratio and a negative advantage stop as well.
    let new = [-1.0 + 5.0_f32.ln()];
    let clip = PolicyLoss::Clip { low: 0.2, high: 0.2, dual: Some(3.0) };
    let loss = policy_loss(clip, tensor(&new), tensor(&[-1.0]), tensor(&[-1.0]));
    close(&host(loss), &[3.0], 1e-6);
}

/// Tools `t0` to `t3`; a task is the right sequence of them. Ends by itself when so many calls were made.
#[derive(Clone, Debug, Default)]
struct Chain {
    tools: Vec<ToolSpec>,
    right: Vec<usize>,
    made: Vec<usize>,
}

impl ToolEnvironment for Chain {
    type Task = Vec<usize>;
    type Snapshot = Vec<usize>;

    fn reset(&mut self, task: &Vec<usize>, _: u64) {
        let schema: Json = r#"{"type":"object","properties":{}}"#.parse().unwrap();
        self.tools = (0..4).map(|at| ToolSpec::new(format!("t{at}"), "", schema.clone())).collect();
        self.right.clone_from(task);
        self.made.clear();
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    fn query(&self) -> &str {
        ""
    }

    fn step(&mut self, call: &ToolCall) -> Transition {
        match call.name.strip_prefix('t').and_then(|digit| digit.parse().ok()) {
            Some(tool) => {
                self.made.push(tool);
                let end = (self.made.len() == self.right.len()).then_some(End::Finished);
                Transition { reply: Reply::ok(Json::Null), end }
            }
            None => Transition { reply: Reply::failed(Status::MessageError, ""), end: None },
        }
    }

    fn snapshot(&self) -> Vec<usize> {
        self.made.clone()
    }

    fn restore(&mut self, snapshot: &Vec<usize>) {
        self.made.clone_from(snapshot);
    }

    fn outcome(&self) -> Outcome {
        let passed = self.made == self.right;
        Outcome { score: f32::from(u8::from(passed)), passed }
    }

    fn digest(&self) -> u64 {
        self.made.iter().fold(1, |sum, tool| sum * 5 + *tool as u64)
    }

    fn facts(&self) -> Option<Facts> {
        let right = self.made.iter().zip(&self.right).filter(|(a, b)| a == b).count();
        Some(Facts { needed: self.right.len() as u32, known: right as u32 })
    }
}

/// 0 begins, 2 is an observation, 3 to 6 are the tools. An action is one token; 1 would end it.
struct ChainCodec;

impl ActionCodec for ChainCodec {
    fn vocabulary(&self) -> usize {
        7
    }

    fn end(&self) -> u32 {
        1
    }

    fn prompt(&self, _: &str, _: &[ToolSpec]) -> Vec<u32> {
        vec![0]
    }

    fn action(&self, call: &ToolCall) -> Option<Vec<u32>> {
        let tool: u32 = call.name.strip_prefix('t')?.parse().ok()?;
        Some(vec![3 + tool])
    }

    fn read_action(&self, tokens: &[u32]) -> ToolCall {
        let name = match tokens {
            [tool @ 3..=6] => format!("t{}", tool - 3),
            _ => String::new(),
        };
        ToolCall::new("", name, "{}".parse().unwrap())
    }

    fn reply(&self, _: &Reply) -> Vec<u32> {
        vec![2, 2]
    }

    fn allowed(&self, _: &[ToolSpec], written: &[u32]) -> Option<Vec<u32>> {
        written.is_empty().then(|| vec![3, 4, 5, 6])
    }
}

fn limits() -> Limits {
    Limits { steps: 4, action_tokens: 1, tokens: 16 }
}

/// The pass rate of draws at temperature 1 after some iterations.
fn train(name: &str, task: &[usize], iterations: u64) -> f64 {
    let method = Method::preset(name, 0.0).unwrap();
    let learn = LearnConfig { learning_rate: 1e-2, minibatch: 16, ..LearnConfig::default() };
    let config = TrainConfig {
        iterations,
        tasks: 4,
        group: 8,
        limits: limits(),
        learn,
        seed: 5,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(model(7, 1), &method, &config).unwrap();
    let mut last = 0.0;
    for _ in 0..iterations {
        let report = trainer.iterate(&Chain::default(), &ChainCodec, &|_| Ok(task.to_vec())).unwrap();
        last = report.episodes.pass;
    }
    last
}

#[test]
fn a_bandit_is_solved_by_every_method() {
    for name in
        ["ppo-trajectory", "grpo-trajectory", "rloo", "reinforce++", "a2c", "awr", "rft", "steptool-gated"]
    {
        let pass = train(name, &[2], 30);
        assert!(pass > 0.8, "{name}: {pass}");
    }
}

#[test]
fn a_chain_of_two_is_solved_with_credit_for_steps() {
    for name in ["steptool-gated", "ppo-return-to-go", "grpo-anchor"] {
        let pass = train(name, &[1, 3], 40);
        assert!(pass > 0.8, "{name}: {pass}");
    }
}

fn demonstrations(count: u64) -> Vec<Episode> {
    let mut office = Backoffice::new(0.12).unwrap();
    (0..count)
        .map(|index| {
            let task = office.task(&TaskConfig::default(), index).unwrap();
            let mut expert = Expert::new(&task, &ExpertConfig::default(), index);
            let next = |_: &Backoffice, reply: Option<&Reply>| {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            };
            play(&mut office, &task, index, &BackofficeCodec, &Limits::default(), next)
        })
        .collect()
}

fn jobs(office: &Backoffice, numbers: &[u64]) -> Vec<Job<<Backoffice as ToolEnvironment>::Task>> {
    let job = |&number: &u64| Job {
        task: office.task(&TaskConfig::default(), number).unwrap(),
        number,
        group: number,
        seed: number,
        stream: number,
    };
    numbers.iter().map(job).collect()
}

#[test]
fn what_is_learnt_from_is_what_was_written() {
    for episode in demonstrations(40) {
        episode.check().unwrap();
        let mask = episode.loss_mask();
        assert_eq!(mask.iter().filter(|own| **own).count(), episode.action_tokens());
        assert!(mask[..episode.prompt].iter().all(|own| !own));
        for step in &episode.steps {
            assert_eq!(BackofficeCodec.action(&step.call).unwrap(), episode.tokens[step.action.clone()]);
            assert!(
                episode.tokens[step.observation.clone()].iter().all(|&token| token != BackofficeCodec.end())
            );
        }
    }
}

#[test]
fn padding_changes_nothing_and_observations_have_no_loss() {
    let codec = BackofficeCodec;
    let policy = ActorCritic::new(model(codec.vocabulary(), 3)).with_value_head();
    let episodes = demonstrations(6);
    let rows: Vec<Row<'_>> = episodes.iter().map(Row::of).collect();
    let together = host(evaluate(&policy, &rows, Default::default()).unwrap().log_probs);
    let mut alone = Vec::new();
    for row in &rows {
        alone.extend(host(
            evaluate(&policy, std::slice::from_ref(row), Default::default()).unwrap().log_probs,
        ));
    }
    close(&together, &alone, 1e-4);
    // A row that ends in the padding's token is not mistaken for padding: what it says of its last token is counted.
    let tokens = [5, 9, 0, 0];
    let row = Row { tokens: &tokens, actions: std::iter::once(1..4).collect() };
    let longer = Row { tokens: &episodes[0].tokens, actions: vec![episodes[0].steps[0].action.clone()] };
    let first = host(evaluate(&policy, &[row.clone(), longer], Default::default()).unwrap().log_probs);
    close(&first[..3], &host(evaluate(&policy, &[row], Default::default()).unwrap().log_probs), 1e-4);
    // The gradient of the loss in the last observation's token is none: what comes after the last action is not even read.
    let episode = episodes.iter().find(|episode| episode.steps.len() > 2).unwrap();
    let last = episode.steps[1].action.clone();
    let cut = Row { tokens: &episode.tokens[..last.end], actions: vec![last.clone()] };
    let mut changed = episode.tokens.clone();
    changed[last.end..].iter_mut().for_each(|token| *token = (*token + 7) % 100);
    let full = Row { tokens: &changed, actions: vec![last] };
    let a = host(evaluate(&policy, &[cut], Default::default()).unwrap().log_probs);
    let b = host(evaluate(&policy, &[full], Default::default()).unwrap().log_probs);
    close(&a, &b, 1e-4);
}

#[test]
fn a_rollout_does_not_depend_on_its_company() {
    let (office, codec) = (Backoffice::new(0.12).unwrap(), BackofficeCodec);
    let (policy, _) = fine_tune(
        model(codec.vocabulary(), 3),
        &demonstrations(60),
        &LearnConfig { learning_rate: 3e-3, ..LearnConfig::default() },
        3,
        1,
    )
    .unwrap();
    let draw = Draw::Sample { temperature: 1.0, seed: 11 };
    let config = RolloutConfig { draw, batch: 16, ..RolloutConfig::default() };
    let numbers: Vec<u64> = (0..16).collect();
    let all = rollout(&policy, &office, &codec, &jobs(&office, &numbers), &config).unwrap();
    assert!(all.iter().any(|episode| episode.steps.len() > 1));
    let mut turned = numbers.clone();
    turned.reverse();
    let small = RolloutConfig { batch: 5, ..config.clone() };
    let mut other = rollout(&policy, &office, &codec, &jobs(&office, &turned), &small).unwrap();
    other.reverse();
    for (a, b) in all.iter().zip(&other) {
        a.check().unwrap();
        assert_eq!(a.tokens, b.tokens);
        assert_eq!((a.end, a.outcome), (b.end, b.outcome));
    }
    // What the rollout says it drew from is what a pass over the whole row says.
    let rows: Vec<Row<'_>> = all.iter().map(Row::of).collect();
    let found =
        host(evaluate(&ActorCritic::new(policy.clone()), &rows, Default::default()).unwrap().log_probs);
    let kept: Vec<f32> =
        all.iter().flat_map(|episode| &episode.steps).flat_map(|step| step.log_probs.clone()).collect();
    close(&kept, &found, 1e-3);
    // Under the grammar every call is one.
    let config = RolloutConfig { grammar: true, ..config };
    let held = rollout(&policy, &office, &codec, &jobs(&office, &numbers), &config).unwrap();
    let wrong = [Status::MessageError, Status::NoSuchTool];
    assert!(held.iter().flat_map(|episode| &episode.steps).all(|step| !wrong.contains(&step.reply.status)));
}

#[test]
fn a_training_that_was_cut_off_ends_in_the_same_policy() {
    let method = Method::preset("steptool-gated", 0.1).unwrap();
    let learn = LearnConfig { learning_rate: 1e-2, minibatch: 8, ..LearnConfig::default() };
    let config =
        TrainConfig { iterations: 4, tasks: 2, group: 4, limits: limits(), learn, ..TrainConfig::default() };
    let task = |_: u64| Ok(vec![1, 2]);
    let mut whole = Trainer::new(model(7, 2), &method, &config).unwrap();
    let mut reports = Vec::new();
    for _ in 0..4 {
        reports.push(whole.iterate(&Chain::default(), &ChainCodec, &task).unwrap());
    }
    let mut first = Trainer::new(model(7, 2), &method, &config).unwrap();
    for _ in 0..2 {
        first.iterate(&Chain::default(), &ChainCodec, &task).unwrap();
    }
    let bytes = first.checkpoint().unwrap();
    drop(first);
    let mut second = Trainer::resume(model(7, 2), &method, &config, &bytes).unwrap();
    for report in &reports[2..] {
        let mut again = second.iterate(&Chain::default(), &ChainCodec, &task).unwrap();
        again.seconds = report.seconds;
        assert_eq!(again, *report);
    }
    assert_eq!(second.checkpoint().unwrap(), whole.checkpoint().unwrap());
    let other = TrainConfig { seed: 9, ..config.clone() };
    assert!(Trainer::resume(model(7, 2), &method, &other, &bytes).is_err());
    let error = Trainer::resume(model(7, 3), &method, &config, &bytes).unwrap_err().to_string();
    assert!(error.starts_with("policy: is not the one"), "{error}");
    assert!(Trainer::resume(model(7, 2), &method, &TrainConfig::default(), &bytes[..50]).is_err());
}

#[test]
fn adapters_with_dropout_are_refused() {
    let method = Method::preset("grpo-trajectory", 0.1).unwrap();
    let with = |dropout| {
        let lora = causal_lm::LoraConfig { rank: 2, dropout, ..causal_lm::LoraConfig::default() };
        model(7, 2).add_lora(&lora, 1).unwrap()
    };
    assert!(Trainer::new(with(0.0), &method, &TrainConfig::default()).is_ok());
    let error = Trainer::new(with(0.05), &method, &TrainConfig::default()).unwrap_err().to_string();
    assert!(error.starts_with("policy: has adapters with dropout 0.05"), "{error}");
    assert!(fine_tune(with(0.05), &demonstrations(1), &LearnConfig::default(), 1, 0).is_err());
}

#[test]
fn training_does_not_depend_on_the_number_of_threads() {
    let method = Method::preset("steptool-gated", 0.1).unwrap();
    let learn = LearnConfig { learning_rate: 1e-2, minibatch: 8, ..LearnConfig::default() };
    let config =
        TrainConfig { iterations: 2, tasks: 10, group: 4, limits: limits(), learn, ..TrainConfig::default() };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(model(7, 2), &method, &config).unwrap();
            for _ in 0..2 {
                trainer.iterate(&Chain::default(), &ChainCodec, &|_| Ok(vec![1, 2])).unwrap();
            }
            trainer.checkpoint().unwrap()
        })
    };
    assert_eq!(run(1), run(8));
}

#[test]
fn supervised_training_lowers_its_loss() {
    let codec = BackofficeCodec;
    let learn = LearnConfig { learning_rate: 1e-2, minibatch: 8, ..LearnConfig::default() };
    let (_, losses) = fine_tune(model(codec.vocabulary(), 3), &demonstrations(64), &learn, 5, 1).unwrap();
    assert!(losses[4] < 0.6 * losses[0], "{losses:?}");
}
