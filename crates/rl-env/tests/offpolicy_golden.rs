//! The losses of the off-policy and offline policies and their gradients against torch's (`golden/values.py`).

use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use rl_env::policy::crr::{CrrConfig, CrrWeight, crr_losses, expected_target};
use rl_env::policy::{bcq, c51, cql, dqn, qrdqn};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/values.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap_or_else(|| panic!("{other} is no number")) as f32],
    }
}

fn number(value: &Value) -> f32 {
    numbers(value)[0]
}

fn device() -> Device {
    Device::default().autodiff()
}

fn vector(value: &Value) -> Tensor<1> {
    let values = numbers(value);
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), &device())
}

fn matrix(value: &Value) -> Tensor<2> {
    let values = numbers(value);
    let rows = value.as_array().unwrap().len();
    let columns = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &device())
}

fn column(value: &Value) -> Tensor<2, Int> {
    let values: Vec<i32> = numbers(value).into_iter().map(|value| value as i32).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length, 1]), &device())
}

fn assert_near<const D: usize>(what: &str, found: Tensor<D>, expected: &Value) {
    let found: Vec<f32> = found.into_data().iter::<f32>().collect();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() < 1e-5, "{what}[{at}]: {a} instead of {b}");
    }
}

fn assert_gradient(what: &str, of: &Tensor<2>, gradients: &Gradients, expected: &Value) {
    assert_near(what, of.grad(gradients).unwrap(), expected);
}

#[test]
fn targets_and_losses_of_dqn_agree_with_torch() {
    let g = golden();
    let d = &g["dqn"];
    let next = matrix(&d["next_target"]);
    let target = |best| dqn::td_target(vector(&g["rewards"]), vector(&g["discounts"]), next.clone(), best);
    let double = target(matrix(&d["next_online"]).argmax(1));
    assert_near("double target", double.clone(), &d["double"]);
    assert_near("plain target", target(next.clone().argmax(1)), &d["plain"]);

    for (name, huber) in [("squared", false), ("huber", true)] {
        let q = matrix(&d["q"]).require_grad();
        let error = q.clone().gather(1, column(&g["actions"])).squeeze_dim::<1>(1).sub(double.clone());
        let loss = if huber { dqn::huber(error) } else { error.square() }.mean();
        assert_near(name, loss.clone(), &d[name]);
        assert_gradient(name, &q, &loss.backward(), &d[format!("{name}_gradient")]);
    }
}

#[test]
fn the_projection_and_cross_entropy_of_c51_agree_with_torch() {
    let g = golden();
    let c = &g["c51"];
    let (least, most) = (number(&c["least"]), number(&c["most"]));
    let support = c51::support(least, most, matrix(&c["logits"]).dims()[1]);
    let (rewards, discounts) = (numbers(&g["rewards"]), numbers(&g["discounts"]));
    let mut projected = numbers(&c["next_logits"]);
    c51::project(&rewards, &discounts, &mut projected, &support);
    let shape = [rewards.len(), support.len()];
    let projected = Tensor::<2>::from_data(TensorData::new(projected, shape), &device());
    assert_near("projection", projected.clone(), &c["projected"]);
    let logits = matrix(&c["logits"]).require_grad();
    let each = c51::cross_entropy(logits.clone(), projected);
    assert_near("cross-entropy", each.clone(), &c["each"]);
    assert_gradient("cross-entropy", &logits, &each.mean().backward(), &c["gradient"]);
}

#[test]
fn the_quantile_huber_loss_agrees_with_torch() {
    let g = golden();
    let q = &g["qrdqn"];
    let quantiles = matrix(&q["quantiles"]).require_grad();
    let each = qrdqn::quantile_huber(quantiles.clone(), matrix(&q["targets"]));
    assert_near("quantile Huber loss", each.clone(), &q["each"]);
    assert_gradient("quantile Huber loss", &quantiles, &each.mean().backward(), &q["gradient"]);
}

#[test]
fn the_conservative_term_agrees_with_torch() {
    let g = golden();
    let q = matrix(&g["cql"]["q"]).require_grad();
    let each = cql::conservatism(q.clone(), column(&g["actions"]));
    assert_near("conservative term", each.clone(), &g["cql"]["each"]);
    assert_gradient("conservative term", &q, &each.mean().backward(), &g["cql"]["gradient"]);
}

#[test]
fn the_constrained_choice_and_losses_of_bcq_agree_with_torch() {
    let g = golden();
    let b = &g["bcq"];
    let threshold = number(&b["threshold"]);
    let best = bcq::constrained_best(matrix(&b["next_q"]), matrix(&b["next_logits"]), threshold);
    assert_near("choice", best.float(), &b["best"]);

    // The host's version, which acts, chooses alike.
    let (mut scores, logits) = (numbers(&b["next_q"]), numbers(&b["next_logits"]));
    let n_items = scores.len() / numbers(&b["best"]).len();
    bcq::constrain(&mut scores, &logits, n_items, threshold);
    for (row, best) in scores.chunks(n_items).zip(numbers(&b["best"])) {
        assert!(row.iter().all(|&score| score <= row[best as usize]));
    }

    let (q, logits) = (matrix(&b["q"]).require_grad(), matrix(&b["logits"]).require_grad());
    let terms =
        bcq::imitated_q_losses(q.clone(), logits.clone(), column(&g["actions"]), vector(&b["target"]));
    for (at, term) in terms.iter().enumerate() {
        assert_near("term", term.clone(), &b["terms"][at]);
    }
    let [error, imitation, size] = terms;
    let loss = error.add(imitation).add(size.mul_scalar(number(&b["logit_penalty"])));
    let gradients = loss.backward();
    assert_gradient("Q", &q, &gradients, &b["q_gradient"]);
    assert_gradient("logits", &logits, &gradients, &b["logits_gradient"]);
}

#[test]
fn the_weights_and_losses_of_crr_agree_with_torch() {
    let g = golden();
    let c = &g["crr"];
    let target = expected_target(
        vector(&g["rewards"]),
        vector(&g["discounts"]),
        matrix(&c["next_q"]),
        matrix(&c["next_logits"]),
    );
    assert_near("target", target.clone(), &c["target"]);
    for (name, weight) in
        [("exponential", CrrWeight::Exponential), ("binary", CrrWeight::Binary), ("one", CrrWeight::One)]
    {
        let config =
            CrrConfig { weight, beta: number(&c["beta"]), most: number(&c["most"]), ..CrrConfig::default() };
        let (q, logits) = (matrix(&c["q"]).require_grad(), matrix(&c["logits"]).require_grad());
        let terms = crr_losses(logits.clone(), q.clone(), column(&g["actions"]), target.clone(), &config);
        for (at, term) in terms.iter().enumerate() {
            assert_near(name, term.clone(), &c[name]["terms"][at]);
        }
        let [actor, critic, conservative] = terms;
        let weighted = conservative.mul_scalar(number(&c["conservative_weight"]));
        let gradients = actor.add(critic).add(weighted).backward();
        assert_gradient(name, &q, &gradients, &c[name]["q_gradient"]);
        assert_gradient(name, &logits, &gradients, &c[name]["logits_gradient"]);
    }
}
