"""Golden values of the losses of the off-policy and offline policies, and of their gradients.

    python values.py > values.json          (torch 2.9.0, float64)

Written from the papers' formulas. Every input is in the file, on a grid of 1/64, so that it is exact in f32 as well as
in f64. Matrices are lists of rows. Gradients are those of the mean over the minibatch, from torch autograd.

dqn     target = r + d Q'(s', argmax_a Q(s', a)) ("double") or r + d max_a Q'(s', a); mean squared error, mean Huber loss
        (torch.nn.functional.huber_loss, delta 1).
c51     Bellemare et al. (2017), algorithm 1: atom by atom, mass split between the two neighbours; cross-entropy against
        the softmax of the logits.
qrdqn   Dabney et al. (2018), eq. 10, kappa 1: for each row sum_i mean_j |tau_i - 1{u < 0}| huber(u), u = target_j - theta_i.
cql     Kumar et al. (2020), CQL(H): logsumexp_a Q(s, a) - Q(s, a_t).
bcq     Fujimoto et al. (2019), discrete: the best item among those with G(a|s) / max G >= threshold; Huber loss of Q,
        negative log-likelihood of the imitator, mean squared logit.
crr     Wang et al. (2020): f = min(exp(A / beta), most) with A = Q(s, a) - E_pi Q(s, .), no gradient through f;
        target r + d E_pi' Q'(s', .); half the mean squared error; the term of CQL.
"""

import json
import math

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(20240)

N, ITEMS, ATOMS, QUANTILES = 6, 7, 11, 8
LEAST, MOST = -2.0, 3.0


def grid(*shape, scale=2.0):
    draw = torch.randn(*shape, generator=generator) * scale
    return (draw * 64).round() / 64


def with_gradients(loss, *inputs):
    return [x.tolist() for x in torch.autograd.grad(loss, inputs, retain_graph=True)]


actions = torch.randint(0, ITEMS, (N,), generator=generator)
rows = torch.arange(N)
rewards = grid(N, scale=1.0)
# 0 where the user left, 0.9^m elsewhere, rounded to the grid.
discounts = torch.tensor([58, 0, 52, 47, 0, 58]) / 64
out = {
    "actions": actions.tolist(),
    "rewards": rewards.tolist(),
    "discounts": discounts.tolist(),
}

# ---------------------------------------------------------------- DQN
q, next_online, next_target = grid(N, ITEMS), grid(N, ITEMS), grid(N, ITEMS)
double = rewards + discounts * next_target[rows, next_online.argmax(1)]
plain = rewards + discounts * next_target.max(1).values
variable = q.clone().requires_grad_()
taken = variable[rows, actions]
squared, huber = F.mse_loss(taken, double), F.huber_loss(taken, double)
out["dqn"] = {
    "q": q.tolist(),
    "next_online": next_online.tolist(),
    "next_target": next_target.tolist(),
    "double": double.tolist(),
    "plain": plain.tolist(),
    "squared": squared.item(),
    "squared_gradient": with_gradients(squared, variable)[0],
    "huber": huber.item(),
    "huber_gradient": with_gradients(huber, variable)[0],
}

# ---------------------------------------------------------------- C51
logits, next_logits = grid(N, ATOMS, scale=1.0), grid(N, ATOMS, scale=1.0)
step = (MOST - LEAST) / (ATOMS - 1)
next_probabilities = torch.softmax(next_logits, 1)
projected = torch.zeros(N, ATOMS)
for b in range(N):
    for j in range(ATOMS):
        landed = min(max(rewards[b].item() + discounts[b].item() * (LEAST + j * step), LEAST), MOST)
        place = (landed - LEAST) / step
        low, high = math.floor(place), math.ceil(place)
        mass = next_probabilities[b, j].item()
        if low == high:
            projected[b, low] += mass
        else:
            projected[b, low] += mass * (high - place)
            projected[b, high] += mass * (place - low)
variable = logits.clone().requires_grad_()
each = -(projected * torch.log_softmax(variable, 1)).sum(1)
out["c51"] = {
    "least": LEAST,
    "most": MOST,
    "logits": logits.tolist(),
    "next_logits": next_logits.tolist(),
    "projected": projected.tolist(),
    "each": each.tolist(),
    "gradient": with_gradients(each.mean(), variable)[0],
}

# ---------------------------------------------------------------- QR-DQN
quantiles, targets = grid(N, QUANTILES, scale=1.0), grid(N, QUANTILES, scale=1.0)
variable = quantiles.clone().requires_grad_()
tau = (torch.arange(QUANTILES) + 0.5) / QUANTILES
losses = []
for b in range(N):
    total = 0.0
    for i in range(QUANTILES):
        u = targets[b] - variable[b, i]
        size = torch.where(u.abs() <= 1.0, 0.5 * u * u, u.abs() - 0.5)
        total = total + ((tau[i] - (u.detach() < 0).double()).abs() * size).mean()
    losses.append(total)
each = torch.stack(losses)
out["qrdqn"] = {
    "quantiles": quantiles.tolist(),
    "targets": targets.tolist(),
    "each": each.tolist(),
    "gradient": with_gradients(each.mean(), variable)[0],
}

# ---------------------------------------------------------------- CQL
variable = q.clone().requires_grad_()
each = torch.logsumexp(variable, 1) - variable[rows, actions]
out["cql"] = {
    "q": q.tolist(),
    "each": each.tolist(),
    "gradient": with_gradients(each.mean(), variable)[0],
}

# ---------------------------------------------------------------- BCQ
THRESHOLD = 0.3
logits, next_logits, target = grid(N, ITEMS), grid(N, ITEMS, scale=1.0), grid(N)
share = torch.softmax(next_logits, 1)
share = share / share.max(1, keepdim=True).values
best = torch.where(share >= THRESHOLD, next_online, torch.tensor(-math.inf)).argmax(1)
q_variable, logit_variable = q.clone().requires_grad_(), logits.clone().requires_grad_()
terms = [
    F.huber_loss(q_variable[rows, actions], target),
    F.cross_entropy(logit_variable, actions),
    logit_variable.square().mean(),
]
gradients = with_gradients(terms[0] + terms[1] + 0.01 * terms[2], q_variable, logit_variable)
out["bcq"] = {
    "threshold": THRESHOLD,
    "q": q.tolist(),
    "logits": logits.tolist(),
    "next_q": next_online.tolist(),
    "next_logits": next_logits.tolist(),
    "best": best.tolist(),
    "target": target.tolist(),
    "terms": [term.item() for term in terms],
    "logit_penalty": 0.01,
    "q_gradient": gradients[0],
    "logits_gradient": gradients[1],
}

# ---------------------------------------------------------------- CRR
BETA, MOST_WEIGHT, WEIGHT = 0.75, 5.0, 0.5
target = rewards + discounts * (torch.softmax(next_logits, 1) * next_target).sum(1)
out["crr"] = {
    "beta": BETA,
    "most": MOST_WEIGHT,
    "conservative_weight": WEIGHT,
    "q": q.tolist(),
    "logits": logits.tolist(),
    "next_q": next_target.tolist(),
    "next_logits": next_logits.tolist(),
    "target": target.tolist(),
}
for name in ["exponential", "binary", "one"]:
    q_variable, logit_variable = q.clone().requires_grad_(), logits.clone().requires_grad_()
    log_pi = torch.log_softmax(logit_variable, 1)
    taken = q_variable[rows, actions]
    advantage = (taken - (log_pi.exp() * q_variable).sum(1)).detach()
    weight = {
        "exponential": torch.exp(advantage / BETA).clamp(max=MOST_WEIGHT),
        "binary": (advantage > 0).double(),
        "one": torch.ones(N),
    }[name]
    terms = [
        -(weight * log_pi[rows, actions]).mean(),
        0.5 * F.mse_loss(taken, target),
        (torch.logsumexp(q_variable, 1) - taken).mean(),
    ]
    gradients = with_gradients(terms[0] + terms[1] + WEIGHT * terms[2], q_variable, logit_variable)
    out["crr"][name] = {
        "weight": weight.tolist(),
        "terms": [term.item() for term in terms],
        "q_gradient": gradients[0],
        "logits_gradient": gradients[1],
    }

print(json.dumps(out))
