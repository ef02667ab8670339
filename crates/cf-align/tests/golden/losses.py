"""Golden values of the losses, their gradients, Adam and graph propagation.

    python losses.py > losses.json          (torch 2.9.0, numpy 1.26; float64 unless a key says f32)

Every input is in the file, on a grid of 1/256, so that it is exact in f32 as well as in f64. Matrices are lists
of rows. Gradients are with respect to the raw (unnormalised, unpropagated) tables, from torch autograd.

DirectAU    align = mean |x - y|^2, uniform(Z) = log mean_{p<q} exp(-t |z_p - z_q|^2) through torch.pdist,
            loss = align + gamma (uniform(X) + uniform(Y)) / 2, x and y normalised by max(|v|, 1e-12).
            A batch of one has no pair: uniform is 0 here (torch.pdist's empty mean would be NaN).
            "distinct": uniformity over the distinct ids of the batch instead of all its rows.
BPR         mean softplus(-(s+ - s-)); "loss_clamped" is RecBole's -log(1e-10 + sigmoid(s+ - s-)).
LightGCN    A = D^-1/2 [0 R; R' 0] D^-1/2 with 1e-7 added to the degrees, mean of layers 0..L.
            "bpr_norm": BPR + reg_weight * (sum of Frobenius norms of the batch's ego rows) / B, as RecBole does by
            default; "bpr_squared": the paper's + reg_weight * (sum of squared norms) / (2 B).
MAWU        (arXiv 2308.06091) -mean cos(clamp(angle(x, y) + 1 - sigmoid(m_u + m_i), 0, pi)) + gamma1 U(X) + gamma2 U(Y),
            the cosine clamped to +-(1 - 1e-7) before arccos (so aligned pairs have no gradient there).
            U is log mean over pairs p<q ("pairs") or what the authors' program computes ("full_matrix"):
            log of the mean over all B x B entries, those with p <= q counting exp(-2 t).
GraphAU     (arXiv 2308.09292) mean over l = 0..L-1 of base^l a_l, a_0 = align(x0, y0),
            a_l = (align(x0, y_l) + align(x_l, y0)) / 2, x_l = l propagation steps; + gamma * uniformity of layer 0.
Adam        torch.optim.Adam, weight decay added to the gradient, every row updated at every step. "adam_sparse" has batches
            so small that rows stay out of many of them and come again.
measures    over all training pairs: mean |x_u - y_i|^2, and the logarithm of the frequency-weighted mean of
            exp(-2 |z_a - z_b|^2) over pairs of distinct ids. s2: second singular value of
            D_u^-1/2 R D_i^-1/2 (without the 1e-7).
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

T = 2.0
torch.set_num_threads(1)


def grid(rng, rows, dim, scale):
    return np.round(rng.normal(0.0, scale, (rows, dim)) * 256) / 256


def leaf(table, dtype=torch.float64):
    return torch.tensor(table, dtype=dtype, requires_grad=True)


def align(x, y):
    return (x - y).norm(p=2, dim=1).pow(2).mean()


def uniform(z):
    if z.shape[0] < 2:
        return z.sum() * 0.0
    return torch.pdist(z, p=2).pow(2).mul(-T).exp().mean().log()


def uniform_full_matrix(z):
    size = z.shape[0]
    below = torch.ones(size, size, dtype=torch.bool).tril(-1)
    cosine = torch.where(below, z @ z.T, torch.zeros((), dtype=z.dtype))
    return torch.exp(-T * (2 - 2 * cosine)).mean().log()


def directau(user_rows, item_rows, gamma, users=None, items=None):
    """The parts and the loss; with ids given, uniformity is taken over the distinct ones."""
    x, y = F.normalize(user_rows, dim=-1), F.normalize(item_rows, dim=-1)
    first = lambda ids: sorted({int(i): p for p, i in reversed(list(enumerate(ids)))}.values())
    ux = uniform(x if users is None else x[first(users)])
    uy = uniform(y if items is None else y[first(items)])
    a = align(x, y)
    return a, ux, uy, a + gamma * (ux + uy) / 2


def propagation_matrix(edges, n_users, n_items, eps=1e-7):
    a = torch.zeros(n_users + n_items, n_users + n_items, dtype=torch.float64)
    for u, i in edges:
        a[u, n_users + i] = a[n_users + i, u] = 1.0
    d = (a.sum(1) + eps).pow(-0.5)
    return d[:, None] * a * d[None, :]


def layers_of(a, ego, count):
    out = [ego]
    for _ in range(count):
        out.append(a @ out[-1])
    return out


def digits(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:
            return [[float(str(v)) for v in row] for row in value]
        if value.dtype == np.float64:
            value = value.tolist()
    if isinstance(value, list):
        return [digits(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.15g}")
    return value


def with_gradients(loss, named, **more):
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    out = {k: digits(v.item() + 0.0) for k, v in more.items()}
    out["loss"] = digits(loss.item())
    for (name, table), g in zip(named.items(), gradients):
        out["grad_" + name] = digits(torch.zeros_like(table) if g is None else g)
    return out


def directau_record(case, distinct):
    u, v = leaf(case["user_table"]), leaf(case["item_table"])
    ids = (case["users"], case["items"]) if distinct else (None, None)
    a, ux, uy, loss = directau(u[case["users"]], v[case["items"]], case["gamma"], *ids)
    return with_gradients(loss, {"user": u, "item": v}, align=a, uniform_user=ux, uniform_item=uy)


def bpr_record(case):
    u, v = leaf(case["user_table"]), leaf(case["item_table"])
    x = u[case["users"]]
    margin = (x * v[case["items"]]).sum(1) - (x * v[case["negatives"]]).sum(1)
    clamped = -torch.log(1e-10 + torch.sigmoid(margin)).mean()
    return with_gradients(F.softplus(-margin).mean(), {"user": u, "item": v}, loss_clamped=clamped)


def mawu_record(case, form):
    u, v = leaf(case["user_table"]), leaf(case["item_table"])
    mu, mi = leaf(case["user_margin"]), leaf(case["item_margin"])
    x, y = F.normalize(u[case["users"]], dim=-1), F.normalize(v[case["items"]], dim=-1)
    angle = torch.arccos(torch.clamp((x * y).sum(1), -1 + 1e-7, 1 - 1e-7))
    margin = 1 - torch.sigmoid(mu[case["users"]] + mi[case["items"]])
    if form == "pairs":
        # One margin a pair, as the paper has it. The authors' code adds a [B, 1] column to a [B] row of angles, which
        # broadcasts every pair's margin over every pair's angle; the form "full_matrix" keeps that.
        margin = margin.squeeze(-1)
    a = -torch.cos(torch.clamp(angle + margin, 0.0, math.pi)).mean()
    u_of = uniform if form == "pairs" else uniform_full_matrix
    ux, uy = u_of(x), u_of(y)
    loss = a + case["gamma1"] * ux + case["gamma2"] * uy
    named = {"user": u, "item": v, "user_margin": mu, "item_margin": mi}
    return with_gradients(loss, named, align=a, uniform_user=ux, uniform_item=uy)


def lightgcn_records(case, edges, n_layers, reg_weight):
    n_users, n_items = len(case["user_table"]), len(case["item_table"])
    a = propagation_matrix(edges, n_users, n_items)

    def tables():
        u, v = leaf(case["user_table"]), leaf(case["item_table"])
        mean = torch.stack(layers_of(a, torch.cat([u, v]), n_layers)).mean(0)
        return u, v, mean[:n_users], mean[n_users:]

    out = {"edges": edges, "n_layers": n_layers, "reg_weight": reg_weight}
    u, v, x, y = tables()
    out["propagated_user"], out["propagated_item"] = digits(x), digits(y)
    parts = directau(x[case["users"]], y[case["items"]], case["gamma"])
    names = ("align", "uniform_user", "uniform_item")
    out["directau"] = with_gradients(parts[3], {"user": u, "item": v}, **dict(zip(names, parts)))
    for name, power in (("bpr_norm", 1), ("bpr_squared", 2)):
        u, v, x, y = tables()
        xu = x[case["users"]]
        margin = (xu * y[case["items"]]).sum(1) - (xu * y[case["negatives"]]).sum(1)
        ego = (u[case["users"]], v[case["items"]], v[case["negatives"]])
        size = len(case["users"])
        penalty = sum(rows.norm() if power == 1 else rows.pow(2).sum() / 2 for rows in ego) / size
        bpr = F.softplus(-margin).mean()
        out[name] = with_gradients(bpr + reg_weight * penalty, {"user": u, "item": v}, bpr=bpr, penalty=penalty)
    return out


def graphau_record(case, edges, n_layers, base):
    n_users, n_items = len(case["user_table"]), len(case["item_table"])
    a = propagation_matrix(edges, n_users, n_items)
    u, v = leaf(case["user_table"]), leaf(case["item_table"])
    hops = layers_of(a, torch.cat([u, v]), n_layers - 1)
    x = [F.normalize(h[:n_users][case["users"]], dim=-1) for h in hops]
    y = [F.normalize(h[n_users:][case["items"]], dim=-1) for h in hops]
    terms = [align(x[0], y[0])] + [(align(x[0], y[l]) + align(x[l], y[0])) / 2 for l in range(1, n_layers)]
    aligned = torch.stack([base**l * term for l, term in enumerate(terms)]).mean()
    ux, uy = uniform(x[0]), uniform(y[0])
    loss = aligned + case["gamma"] * (ux + uy) / 2
    out = {"edges": edges, "n_layers": n_layers, "base": base, "hop_align": [digits(t.item()) for t in terms]}
    out.update(with_gradients(loss, {"user": u, "item": v}, align=aligned, uniform_user=ux, uniform_item=uy))
    return out


def adam_record(case, batches, lr, weight_decay, gamma, dtypes=(torch.float64, torch.float32)):
    out = {"lr": lr, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay, "gamma": gamma,
           "batches": batches, "runs": []}
    for dtype in dtypes:
        u, v = leaf(case["user_table"], dtype), leaf(case["item_table"], dtype)
        adam = torch.optim.Adam([u, v], lr=lr, weight_decay=weight_decay)
        run = {"dtype": str(dtype).split(".")[1], "losses": [], "after": []}
        for step, batch in enumerate(batches, 1):
            loss = directau(u[batch["users"]], v[batch["items"]], gamma)[3]
            adam.zero_grad()
            loss.backward()
            adam.step()
            run["losses"].append(digits(loss.item()))
            run["after"].append({"steps": step, "user_table": digits(u), "item_table": digits(v)})
        out["runs"].append(run)
    return out


def measures_record(case, edges):
    x = F.normalize(torch.tensor(case["user_table"], dtype=torch.float64), dim=-1).numpy()
    y = F.normalize(torch.tensor(case["item_table"], dtype=torch.float64), dim=-1).numpy()
    pairs = np.array(edges)
    r = np.zeros((len(x), len(y)))
    r[pairs[:, 0], pairs[:, 1]] = 1.0

    def weighted(z, counts):
        total = weight = 0.0
        for a in range(len(z)):
            for b in range(a):
                w = counts[a] * counts[b]
                total += w * math.exp(-2 * float(((z[a] - z[b]) ** 2).sum()))
                weight += w
        return math.log(total / weight)

    du, di = r.sum(1), r.sum(0)
    inv = lambda d: np.where(d > 0, 1 / np.sqrt(np.maximum(d, 1)), 0.0)
    singular = np.linalg.svd(inv(du)[:, None] * r * inv(di)[None, :], compute_uv=False)
    return {"edges": edges, "align": digits(float(((x[pairs[:, 0]] - y[pairs[:, 1]]) ** 2).sum(1).mean())),
            "uniform_user": digits(weighted(x, du)), "uniform_item": digits(weighted(y, di)),
            "singular_values": digits(singular[:3]), "critical_gamma": digits((1 - float(singular[1])) / 2)}


def main():
    rng = np.random.default_rng(20220624)
    n_users, n_items, dim, batch = 12, 15, 8, 32

    def case(name, users, items, negatives, user_table, item_table, gamma, margins=None):
        margins = margins or ([[0.0]] * len(user_table), [[0.0]] * len(item_table))
        return {"name": name, "t": T, "gamma": gamma, "gamma1": 1.25, "gamma2": 0.5,
                "users": [int(u) for u in users], "items": [int(i) for i in items],
                "negatives": [int(i) for i in negatives],
                "user_table": np.asarray(user_table).tolist(), "item_table": np.asarray(item_table).tolist(),
                "user_margin": margins[0], "item_margin": margins[1]}

    margins = (np.round(rng.uniform(0, 1, (n_users, 1)) * 256) / 256).tolist(), \
              (np.round(rng.uniform(0, 1, (n_items, 1)) * 256) / 256).tolist()
    # User 11 and items 13, 14 stay out of every batch, to see what happens to absent rows.
    draw = lambda size: (rng.integers(0, n_users - 1, size), rng.integers(0, n_items - 2, size))
    users, items = draw(batch)
    duplicates = case("duplicates", users, items, rng.integers(0, n_items, batch),
                      grid(rng, n_users, dim, 0.4), grid(rng, n_items, dim, 0.4), 0.5, margins)
    single = case("batch_of_one", [2], [1], [0], grid(rng, 3, dim, 0.4), grid(rng, 2, dim, 0.4), 1.0)
    # Users 0 and 1 are the same vector, item 0 the same direction (a power of two, so that normalising gives the
    # same bits), item 2 the opposite one.
    u, v = grid(rng, 4, dim, 0.4), grid(rng, 5, dim, 0.4)
    u[1], v[0], v[2] = u[0], 2 * u[0], -u[0]
    identical = case("identical_vectors", [0, 1, 2, 3, 0, 1], [0, 0, 2, 3, 2, 4], [1, 2, 3, 4, 0, 1], u, v, 2.0)

    cases = [duplicates, single, identical]
    for c in cases:
        c["directau"] = directau_record(c, distinct=False)
        c["directau_distinct"] = directau_record(c, distinct=True)
        c["bpr"] = bpr_record(c)
        c["mawu"] = {form: mawu_record(c, form) for form in ("pairs", "full_matrix")}

    # Not every edge is in the batch; user 11 and item 14 have none.
    edges = sorted({(int(a), int(b)) for a, b in zip(users, items)} | {(0, 13), (5, 13), (7, 2)})
    edges = [list(e) for e in edges]
    batches = []
    for size in (32, 32, 32, 17, 2):
        a, b = draw(size)
        batches.append({"users": a.tolist(), "items": b.tolist()})
    sparse = []
    for size in (4,) * 11 + (3,):
        a, b = draw(size)
        sparse.append({"users": a.tolist(), "items": b.tolist()})
    complete = [[a, b] for a in range(3) for b in range(2)]
    out = {
        "torch": torch.__version__.split("+")[0],
        "cases": cases,
        "lightgcn": lightgcn_records(duplicates, edges, 2, 0.0625),
        "graphau": graphau_record(duplicates, edges, 4, 1.4),
        "adam": adam_record(duplicates, batches, 1e-2, 1e-3, 0.5),
        "adam_sparse": adam_record(duplicates, sparse, 1e-2, 1e-3, 0.5, [torch.float64]),
        "measures": [measures_record(duplicates, edges), measures_record(single, complete)],
    }
    json.dump(out, sys.stdout, separators=(",", ":"), allow_nan=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
