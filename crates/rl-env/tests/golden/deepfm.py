#!/usr/bin/env python3
"""Golden values of the user model: DeepFM with a variance head, its losses, gradients and two steps of Adam.

Needs torch and numpy:  python3 deepfm.py > deepfm.json
Written from the formulas (one model over all fields side by side, not two halves), in double precision.
"""

import json

import torch

torch.set_default_dtype(torch.float64)

DIM, HIDDEN = 3, [5, 4]
LEAST, MOST = -10.0, 0.5
L2_EMBEDDINGS, L2_WEIGHTS, PAIR_WEIGHT, RATE = 1e-2, 0.1, 0.5, 1e-2

# Users: 4 with one feature of 2 categories. Items: 5 with one feature of 3, two tag slots of 4 tags (-1: empty), one number.
GENDER = [0, 1, 1, 0]
KIND = [2, 0, 1, 1, 0]
TAGS = [[0, 2], [3, -1], [1, 0], [-1, -1], [2, 3]]
LENGTH = [0.1, 0.9, 0.4, 0.0, 0.6]

POSITIVE = [(0, 0), (1, 3), (2, 4), (3, 1), (0, 2)]
NEGATIVE = [(2, 1), (0, 4), (3, 3), (1, 1), (2, 0)]
TARGETS = [5.0, 1.0, 3.0, 4.0, 2.0]
INVERSE = [1.0, 0.5, 0.25, 0.5, 1.0]
EXPOSURE = [0.0, 0.5, 1.5, 0.2, 0.0]


def fill(count, offset, scale):
    return [scale * torch.sin(torch.tensor(1.7 * k + offset)).item() for k in range(count)]


# Shapes in the order in which the crate's module shows its parameters.
def parameters():
    user_fields, item_fields = 2, 4
    shapes = [
        ("users.embedding", [4 + 2, DIM]),
        ("users.linear", [4 + 2, 1]),
        ("users.first", [user_fields * DIM, HIDDEN[0]]),
        ("items.embedding", [5 + 3 + 4, DIM]),
        ("items.linear", [5 + 3 + 4, 1]),
        ("items.linear_dense", [1, 1]),
        ("items.first", [item_fields * DIM + 1, HIDDEN[0]]),
        ("first_bias", [HIDDEN[0]]),
        ("hidden.0.weight", HIDDEN),
        ("hidden.0.bias", [HIDDEN[1]]),
        ("mean", [HIDDEN[1], 1]),
        ("bias", [1]),
        ("log_variance", [HIDDEN[1], 1]),
        ("user_sensitivity", [4, 1]),
        ("item_sensitivity", [5, 1]),
    ]
    values = {}
    for index, (name, shape) in enumerate(shapes):
        count = 1
        for side in shape:
            count *= side
        filled = torch.tensor(fill(count, float(index), 0.5)).reshape(shape)
        if name.endswith("sensitivity"):
            filled = 1.0 + 0.2 * filled
        values[name] = filled.requires_grad_()
    return values


def fields(p, user, item):
    """The embeddings and linear weights of all fields that are there, and the input of the deep part."""
    e, w = p["users.embedding"], p["users.linear"]
    codes = [user, 4 + GENDER[user]]
    embeddings, linear = [e[c] for c in codes], [w[c, 0] for c in codes]
    e, w = p["items.embedding"], p["items.linear"]
    codes = [item, 5 + KIND[item]] + [8 + tag if tag >= 0 else None for tag in TAGS[item]]
    zero = torch.zeros(DIM)
    embeddings += [zero if c is None else e[c] for c in codes]
    linear += [w[c, 0] for c in codes if c is not None]
    linear.append(LENGTH[item] * p["items.linear_dense"][0, 0])
    deep = torch.cat(embeddings + [torch.tensor([LENGTH[item]])])
    return embeddings, sum(linear), deep


def forward(p, pairs, binary):
    means, logs = [], []
    first = torch.cat([p["users.first"], p["items.first"]])
    for user, item in pairs:
        embeddings, logit, x = fields(p, user, item)
        for a in range(len(embeddings)):
            for b in range(a):
                logit = logit + embeddings[a] @ embeddings[b]
        x = torch.relu(x @ first + p["first_bias"])
        x = torch.relu(x @ p["hidden.0.weight"] + p["hidden.0.bias"])
        logit = logit + (x @ p["mean"])[0] + p["bias"][0]
        s = (x @ p["log_variance"])[0]
        s = MOST - torch.nn.functional.softplus(MOST - s, threshold=1e9)
        s = LEAST + torch.nn.functional.softplus(s - LEAST, threshold=1e9)
        means.append(torch.sigmoid(logit) if binary else logit)
        logs.append(s)
    return torch.stack(means), torch.stack(logs)


def objective(p, kind, errors, exposed):
    y, inverse = torch.tensor(TARGETS), torch.tensor(INVERSE)
    m, s = forward(p, POSITIVE, False)
    n, t = forward(p, NEGATIVE, False)
    penalty = 0.0
    if exposed:
        alpha = torch.stack([p["user_sensitivity"][u, 0] for u, _ in POSITIVE])
        beta = torch.stack([p["item_sensitivity"][i, 0] for _, i in POSITIVE])
        m = m / (1.0 + torch.tensor(EXPOSURE) * alpha * beta)
        penalty = 10.0 * (((alpha - 1) ** 2).mean() + ((beta - 1) ** 2).mean())
    pair = -torch.log(torch.sigmoid(m - n))
    if errors == "variance":
        error, negative = (y - m) ** 2 * torch.exp(-s), n**2 * torch.exp(-t)
        losses = {
            "point-negative": error.sum() + negative.sum() + s.sum() + t.sum(),
            "point": error.sum() + s.sum(),
            "pair": (pair * torch.exp(-s) * torch.exp(-t)).sum() + s.sum() + t.sum(),
            "pair-point": error.sum() + s.sum() + PAIR_WEIGHT * pair.sum(),
        }
    else:
        weight = inverse if errors == "inverse-propensity" else torch.ones(len(y))
        error = (y - m) ** 2 * weight
        losses = {
            "point-negative": error.sum() + (n**2).sum(),
            "point": error.sum(),
            "pair": (pair * weight).sum(),
            "pair-point": error.sum() + PAIR_WEIGHT * (pair * weight).sum(),
        }
    embeddings = (p["users.embedding"] ** 2).sum() + (p["items.embedding"] ** 2).sum()
    weights = sum((w**2).sum() for name, w in p.items() if not name.endswith("sensitivity"))
    return losses[kind] + L2_EMBEDDINGS * embeddings + L2_WEIGHTS * weights + penalty


def flat(tensor):
    return [] if tensor is None else [float(f"{x:.8g}") for x in tensor.detach().reshape(-1).tolist()]


def main():
    p = parameters()
    golden = {"names": list(p), "weights": [flat(w) for w in p.values()]}
    for binary in (False, True):
        mean, log_variance = forward(p, POSITIVE + NEGATIVE, binary)
        golden["binary" if binary else "rating"] = {"mean": flat(mean), "log_variance": flat(log_variance)}
    cases = []
    for errors in ("variance", "inverse-propensity", "equal"):
        for kind in ("point-negative", "point", "pair", "pair-point"):
            for exposed in (False, True):
                p = parameters()
                loss = objective(p, kind, errors, exposed)
                gradients = torch.autograd.grad(loss, list(p.values()), allow_unused=True)
                adam = torch.optim.Adam(list(p.values()), lr=RATE)
                for _ in range(2):
                    adam.zero_grad()
                    objective(p, kind, errors, exposed).backward()
                    adam.step()
                case = {"errors": errors, "loss": kind, "exposed": exposed, "value": loss.item()}
                case["gradients"] = [flat(g) for g in gradients]
                if kind == "point-negative":
                    case["after"] = [flat(w) for w in p.values()]
                cases.append(case)
    golden["cases"] = cases
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
