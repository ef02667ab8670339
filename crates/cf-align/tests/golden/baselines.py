"""Golden values of ItemKNN, EASE and popularity on a 20 x 12 binary matrix.

    python baselines.py > baselines.json    (numpy 1.26, scipy 1.12, recbole 1.2.1)

The matrices are computed in float64 by the formulas below, and compared with RecBole 1.2.1's own code (float32),
run on the same matrix; the greatest difference is in the file.

ItemKNN     w_ji = |U_j and U_i| / (sqrt(n_j) sqrt(n_i) + shrink + 1e-6) for j != i, n = users of the item; for each
            *target* item i (a column) only the k greatest are kept; a user's score of i is the sum of w_ji over
            the items j of the user. The seed is chosen so that no tie decides who is among the k.
EASE        G = X'X + lambda I, P = G^-1, B_ij = -P_ij / P_jj for i != j, 0 on the diagonal; score = X B.
popularity  users per item; ranking: most first, ties by ascending item id.

RecBole's matrices have one row and column more, for the padding id 0: nothing is stored there, and it does not change
the others (EASE's inverse of a block-diagonal matrix). Matrices are dense, row = source item, column = target item.
"""

import json
import sys

import numpy as np
import scipy.sparse as sp

SHAPE = (20, 12)


def item_knn(x, k, shrink):
    n = x.sum(0)
    w = (x.T @ x) / (np.sqrt(n)[:, None] * np.sqrt(n)[None, :] + shrink + 1e-6)
    np.fill_diagonal(w, 0.0)
    kept = np.zeros_like(w)
    clear = True
    for i in range(w.shape[1]):
        order = np.argsort(-w[:, i], kind="stable")
        kept[order[:k], i] = w[order[:k], i]
        # equal weights are equal fractions: any real gap is far above rounding
        clear &= k >= len(order) or w[order[k - 1], i] - w[order[k], i] > 1e-6 or w[order[k], i] == 0
    return kept, clear


def ease(x, reg):
    p = np.linalg.inv(x.T @ x + reg * np.eye(x.shape[1]))
    b = -p / np.diag(p)[None, :]
    np.fill_diagonal(b, 0.0)
    return b


def recbole_item_knn(x, k, shrink):
    from recbole.model.general_recommender.itemknn import ComputeSimilarity

    _, w = ComputeSimilarity(sp.csr_matrix(x), topk=k, shrink=shrink).compute_similarity()
    return w.toarray()


def recbole_ease(x, reg):
    from recbole.model.general_recommender.ease import EASE

    class Padded:
        """What EASE asks of a dataset and a config, with the padding row and column."""

        device = "cpu"

        def __getitem__(self, key):
            return {"reg_weight": reg, "device": "cpu"}.get(key, "")

        def num(self, field):
            return 0

        def inter_matrix(self, form):
            return sp.csr_matrix(np.pad(x, ((1, 0), (1, 0))))

    return np.asarray(EASE(Padded(), Padded()).item_similarity)[1:, 1:]


def rows(matrix):
    return [[float(f"{v:.15g}") for v in row] for row in matrix]


def main():
    seed = 0
    while True:
        x = (np.random.default_rng(seed).random(SHAPE) < 0.3 + 0.3 * np.linspace(0, 1, SHAPE[1])).astype(float)
        if all(item_knn(x, 3, s)[1] for s in (0.0, 2.0)) and x.sum(1).min() > 0:
            break
        seed += 1
    out = {"seed": seed, "n_users": SHAPE[0], "n_items": SHAPE[1],
           "entries": [[int(u), int(i)] for u, i in zip(*np.nonzero(x))], "item_knn": [], "ease": []}
    for k, shrink in ((3, 0.0), (3, 2.0), (100, 0.0)):
        ours, theirs = item_knn(x, k, shrink)[0], recbole_item_knn(x, k, shrink)
        gap = float(np.abs(ours - theirs).max())
        out["item_knn"].append({"k": k, "shrink": shrink, "weights": rows(ours), "scores": rows(x @ ours),
                                "greatest_difference_from_recbole": gap})
    for reg in (250.0, 1.0):
        ours, theirs = ease(x, reg), recbole_ease(x, reg)
        gap = float(np.abs(ours - theirs).max())
        out["ease"].append({"lambda": reg, "weights": rows(ours), "scores": rows(x @ ours),
                            "greatest_difference_from_recbole": gap})
    if max(r["greatest_difference_from_recbole"] for r in out["item_knn"] + out["ease"]) > 1e-6:
        raise SystemExit("differs from RecBole")
    counts = x.sum(0)
    out["popularity"] = {"counts": [int(c) for c in counts],
                         "ranking": [int(i) for i in np.argsort(-counts, kind="stable")]}
    json.dump(out, sys.stdout, separators=(",", ":"), allow_nan=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
