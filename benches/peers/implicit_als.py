"""Time implicit 0.7.2 (ALS, BPR, cosine neighbours) on a split made elsewhere, and judge it by RecBole's definitions.

    python implicit_als.py --train T.tsv --valid V.tsv --test S.tsv [--what als,bpr,cosine] [options]

Prints one JSON line: for each model seconds of the fit and of an iteration (median, minimum), seconds to recommend
the top k to every user, and test metrics. The metrics are computed here with numpy: all items are ranked, those of
training and validation masked, users without test items left out; recall divides by the number of test items,
precision by k, NDCG's ideal list has min(n, k) ones, equal scores go to the smaller id.
"""

import argparse
import json
import os
import resource
import statistics
import time
from pathlib import Path

PARTS = ("train", "valid", "test")
CUTS = (10, 20, 50)

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for part in PARTS:
    ap.add_argument("--" + part, type=Path, required=True, help=f"user<TAB>item rows under a header: {part}")
ap.add_argument("--what", default="als", help="comma-separated: als, bpr, cosine")
ap.add_argument("--factors", type=int, default=64)
ap.add_argument("--regularization", type=float, default=10.0, help="of ALS")
ap.add_argument("--alpha", type=float, default=1.0, help="of ALS: confidence = alpha * value")
ap.add_argument("--iterations", type=int, default=15, help="of ALS")
ap.add_argument("--exact", action="store_true", help="ALS by Cholesky instead of three conjugate-gradient steps")
ap.add_argument("--bpr-iterations", type=int, default=100)
ap.add_argument("--bpr-lr", type=float, default=0.05)
ap.add_argument("--bpr-regularization", type=float, default=0.01)
ap.add_argument("--neighbours", type=int, default=100, help="of cosine")
ap.add_argument("--k", type=int, default=20, help="length of the timed recommendations")
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--seed", type=int, default=2020)
ap.add_argument("--repeats", type=int, default=5, help="of the timed recommendations")
ap.add_argument("--no-metrics", action="store_true")
ARGS = ap.parse_args()
# implicit threads by itself; a threaded BLAS below it would only get in the way.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)

import implicit
import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender


def read_split():
    """One users x items matrix of ones per part; ids by first appearance, training first."""
    users, items, pairs = {}, {}, {}
    for part in PARTS:
        rows = []
        with open(getattr(ARGS, part), encoding="utf-8") as file:
            next(file)
            for line in file:
                user, item = line.rstrip("\n").split("\t")[:2]
                rows.append((users.setdefault(user, len(users)), items.setdefault(item, len(items))))
        pairs[part] = np.array(rows, dtype=np.int32).reshape(-1, 2)
    shape = len(users), len(items)
    out = {}
    for part, rows in pairs.items():
        matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows[:, 0], rows[:, 1])), shape)
        matrix.data[:] = 1.0
        matrix.sort_indices()
        out[part] = matrix
    return out


def test_metrics(score_rows, truth, seen, block=512):
    users = np.flatnonzero(np.diff(truth.indptr))
    longest = min(max(CUTS), truth.shape[1])
    ranks = np.arange(1, longest + 1)
    discount = 1 / np.log2(ranks + 1)
    ideal = np.cumsum(discount)
    sums = {}
    for at in range(0, len(users), block):
        ids = users[at:at + block]
        scores = np.array(score_rows(ids), dtype=np.float64)
        scores[seen[ids].nonzero()] = -np.inf
        top = np.argsort(-scores, axis=1, kind="stable")[:, :longest]
        relevant = truth[ids].toarray() > 0
        hits = np.take_along_axis(relevant, top, 1)
        count = relevant.sum(1)
        found = np.cumsum(hits, 1)
        gain = np.cumsum(hits * discount, 1)
        precise = np.cumsum(hits * found / ranks, 1)
        first = np.where(hits.any(1), hits.argmax(1) + 1, np.inf)
        for cut in CUTS:
            last, few = min(cut, longest) - 1, np.minimum(count, cut)
            for name, value in (("recall", found[:, last] / count), ("precision", found[:, last] / cut),
                                ("hit", found[:, last] > 0), ("mrr", np.where(first <= cut, 1 / first, 0.0)),
                                ("ndcg", gain[:, last] / ideal[few - 1]), ("map", precise[:, last] / few)):
                key = f"{name}@{cut}"
                sums[key] = sums.get(key, 0.0) + float(value.sum())
    return {key: value / len(users) for key, value in sums.items()}


def summary(seconds):
    return {"median": statistics.median(seconds), "min": min(seconds)} if seconds else None


def build(name):
    common = {"num_threads": ARGS.threads}
    if name == "als":
        return AlternatingLeastSquares(factors=ARGS.factors, regularization=ARGS.regularization, alpha=ARGS.alpha,
                                       iterations=ARGS.iterations, use_cg=not ARGS.exact, random_state=ARGS.seed, **common)
    if name == "bpr":
        return BayesianPersonalizedRanking(factors=ARGS.factors, learning_rate=ARGS.bpr_lr,
                                           regularization=ARGS.bpr_regularization, iterations=ARGS.bpr_iterations,
                                           random_state=ARGS.seed, **common)
    if name == "cosine":
        return CosineRecommender(K=ARGS.neighbours, **common)
    raise SystemExit(f"--what: unknown model {name!r}")


def measure(name, split):
    model, steps = build(name), []
    callback = {} if name == "cosine" else {"callback": lambda _, seconds, *rest: steps.append(seconds)}
    start = time.perf_counter()
    model.fit(split["train"], show_progress=False, **callback)
    out = {"seconds_fit": time.perf_counter() - start, "seconds_iteration": summary(steps)}
    seen = (split["train"] + split["valid"]).tocsr()
    everyone, seconds = np.arange(seen.shape[0]), []
    for _ in range(ARGS.repeats):
        start = time.perf_counter()
        model.recommend(everyone, seen, N=ARGS.k)
        seconds.append(time.perf_counter() - start)
    out["seconds_recommend"] = summary(seconds)
    # Judging is no part of what is compared.
    out["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not ARGS.no_metrics:
        if name == "cosine":
            score_rows = lambda ids: (split["train"][ids] @ model.similarity).toarray()
        else:
            score_rows = lambda ids: model.user_factors[ids] @ model.item_factors.T
        out["test"] = test_metrics(score_rows, split["test"], seen)
    return out


def main():
    split = read_split()
    shape = split["train"].shape
    out = {"peer": "implicit", "version": implicit.__version__, "n_users": shape[0], "n_items": shape[1],
           "rows": {part: int(m.nnz) for part, m in split.items()}, "factors": ARGS.factors, "k": ARGS.k,
           "seed": ARGS.seed}
    for name in ARGS.what.split(","):
        out[name] = measure(name, split)
    out["peak_rss_mib"] = max(out[name]["peak_rss_mib"] for name in ARGS.what.split(","))
    out["threads"], out["load"] = ARGS.threads, os.getloadavg()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
