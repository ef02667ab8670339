"""Writes metrics.json beside itself: metric values by other people's code, for tests/golden_metrics.rs.

    pip install recbole==1.2.1 ranx==0.3.21 scikit-learn scipy "numpy<2" && python metrics.py

The case is made here (seeded): 40 users, 60 items, scores without ties. Among the users are some with fewer and some
with more positives than K, one without a hit, one with duplicate positives, one who repeats a training item, and one
who has seen everything but the positives, whose list is shorter than K. That last one is left out of the measures of
whole lists, because RecBole fills such lists with masked items.
"""

import json
import math
import os
from collections import Counter
from itertools import combinations

import numpy as np

# RecBole 1.2.1 still uses names that numpy 1.24 removed.
np.bool, np.float, np.int = bool, float, int

import torch
from ranx import Qrels, Run, evaluate
from recbole.evaluator import metrics as rb
from recbole.evaluator.collector import DataStruct
from scipy import stats
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error, roc_auc_score

KS = [1, 3, 5, 10, 20]
N_USERS, N_ITEMS, N_CATEGORIES = 40, 60, 7
NO_HIT, FULLY_SEEN, DUPLICATES, REPEATER, NO_POSITIVES = 3, 5, 7, 9, 11
rng = np.random.default_rng(20220817)

# --- the case -------------------------------------------------------------------------------------------------------
popularity = 1.0 / np.arange(1, N_ITEMS + 1)
popularity = rng.permutation(popularity / popularity.sum())
train, valid, test = [], [], []
scores = np.stack([rng.permutation(10 * N_ITEMS)[:N_ITEMS] for _ in range(N_USERS)])
for user in range(N_USERS):
    n_train, n_valid = int(rng.integers(2, 15)), int(rng.integers(0, 4))
    n_test = int(rng.integers(1, 28)) if user % 4 == 0 else int(rng.integers(1, 5))
    items = [int(item) for item in rng.choice(N_ITEMS, n_train + n_valid + n_test, replace=False, p=popularity)]
    own_train, own_valid, own_test = items[:n_train], items[n_train : n_train + n_valid], items[n_train + n_valid :]
    if user == FULLY_SEEN:
        own_train = [item for item in range(N_ITEMS) if item not in own_valid + own_test]
    if user == NO_HIT:
        scores[user][own_test] = -1 - np.arange(len(own_test))
    if user == DUPLICATES:
        own_test = own_test + own_test[:1] * 3
    if user == REPEATER:
        own_test = own_test + own_train[:1]
    if user == NO_POSITIVES:
        own_test = []
    train += [[user, item] for item in own_train]
    valid += [[user, item] for item in own_valid]
    test += [[user, item] for item in own_test]
categories = [sorted(int(c) for c in rng.choice(N_CATEGORIES, rng.integers(0, 4), replace=False)) for _ in range(N_ITEMS)]

train_counts = Counter(item for _, item in train)
positives = {user: sorted({item for own, item in test if own == user}) for user in range(N_USERS)}
asked = [user for user in range(N_USERS) if positives[user]]
seen = {user: {i for u, i in train + valid if u == user} - set(positives[user]) for user in asked}
# RecBole ranks all items, the masked ones at the end.
lists = {
    user: sorted(range(N_ITEMS), key=lambda item: (item in seen[user], -scores[user][item]))[: max(KS)] for user in asked
}
full = [user for user in asked if user != FULLY_SEEN]
assert N_ITEMS - len(seen[FULLY_SEEN]) < 10 and all(N_ITEMS - len(seen[user]) >= max(KS) for user in full)

# --- RecBole ----------------------------------------------------------------------------------------------------------
config = {"topk": KS, "metric_decimal_place": 15, "tail_ratio": 0.1}


def recbole(users):
    data = DataStruct()
    hits = [[int(item in positives[user]) for item in lists[user]] + [len(positives[user])] for user in users]
    data.set("rec.topk", torch.tensor(hits))
    data.set("rec.items", torch.tensor([[item + 1 for item in lists[user]] for user in users]))  # 0 is padding
    data.set("data.num_items", N_ITEMS + 1)
    data.set("data.count_items", Counter({item + 1: count for item, count in train_counts.items()}))
    return data


accuracy = {}
for metric in [rb.Hit, rb.Precision, rb.Recall, rb.MRR, rb.MAP, rb.NDCG]:
    accuracy |= metric(config).calculate_metric(recbole(asked))
lists_of = {}
for metric in [rb.ItemCoverage, rb.GiniIndex, rb.ShannonEntropy, rb.AveragePopularity, rb.TailPercentage]:
    lists_of |= metric(config).calculate_metric(recbole(full))
tail_at_most_3 = rb.TailPercentage(config | {"tail_ratio": 3}).calculate_metric(recbole(full))

# --- ranx -------------------------------------------------------------------------------------------------------------
qrels = Qrels({str(user): {str(item): 1 for item in positives[user]} for user in asked})
run = Run({str(u): {str(item): float(max(KS) - place) for place, item in enumerate(lists[u])} for u in asked})
names = ["hit_rate", "precision", "recall", "f1", "mrr", "ndcg"]
ranx = evaluate(qrels, run, [f"{name}@{k}" for name in names for k in KS])

# --- definitions without a library, written as they are defined ---------------------------------------------------------
train_users = len({user for user, _ in train})
item_users = Counter(item for _, item in {(user, item) for user, item in train})


def cosine(a, b):
    return len(set(a) & set(b)) / math.sqrt(len(a) * len(b))


def shares(bag):
    mass = [0.0] * N_CATEGORIES
    for item in bag:
        for category in categories[item]:
            mass[category] += 1 / len(categories[item])
    return [m / sum(mass) for m in mass]


histories = shares([item for user, item in train + valid if user in full])
defined = {}
for k in KS:
    top = {user: lists[user][:k] for user in full}
    bag = [item for user in full for item in top[user]]
    counts = Counter(bag)
    defined[f"div-ratio@{k}"] = len(set(bag)) / (len(full) * k)
    defined[f"or-ratio@{k}"] = sum(count for _, count in counts.most_common(3)) / (len(full) * k)
    gaps = [p - h for p, h in zip(shares(bag), histories)]
    defined[f"mgu@{k}"] = sum(abs(gap) for gap in gaps) / N_CATEGORIES
    defined[f"dgu@{k}"] = max(gaps) - min(gaps)
    defined[f"entropy@{k}"] = float(stats.entropy(list(counts.values())))
    defined[f"novelty@{k}"] = float(
        np.mean([np.mean([-math.log2(max(item_users[i], 1) / train_users) for i in top[user]]) for user in full])
    )
    diversities = []
    for user in full:
        pairs = list(combinations([categories[item] for item in top[user] if categories[item]], 2))
        if pairs:
            diversities.append(np.mean([1 - cosine(a, b) for a, b in pairs]))
    if diversities:
        defined[f"diversity@{k}"] = float(np.mean(diversities))

# --- predictions --------------------------------------------------------------------------------------------------------
n = 300
rating_users = np.sort(rng.integers(0, 25, n))
actual = rng.integers(1, 6, n).astype(np.float32)
predicted = np.clip(actual + rng.normal(0, 1, n), 1, 5).astype(np.float32)
labels = (actual >= 4).astype(int)
probabilities = (np.round(np.clip(0.5 + (labels - 0.5) * 0.4 + rng.normal(0, 0.25, n), 0, 1), 2)).astype(np.float32)
probabilities[:2] = [0.0, 1.0]
mean_ranks = []
for user in np.unique(rating_users):
    own = rating_users == user
    ranks = stats.rankdata(-probabilities[own])
    mean_ranks.append([ranks[labels[own] == 1].sum(), own.sum(), labels[own].sum()])
data = DataStruct()
data.set("rec.meanrank", torch.tensor(np.array(mean_ranks)))
ratings = {
    "users": rating_users.tolist(),
    "actual": actual.tolist(),
    "predicted": predicted.tolist(),
    "labels": labels.tolist(),
    "probabilities": [float(p) for p in probabilities],
    "expected": {
        "rmse": math.sqrt(mean_squared_error(actual.astype(float), predicted.astype(float))),
        "mae": float(mean_absolute_error(actual.astype(float), predicted.astype(float))),
        "log-loss": float(log_loss(labels, np.clip(probabilities.astype(float), 1e-15, 1 - 1e-15))),
        "auc": float(roc_auc_score(labels, probabilities)),
        "gauc": float(rb.GAUC(config).calculate_metric(data)["gauc"]),
    },
}

# --- tests --------------------------------------------------------------------------------------------------------------
a = np.round(rng.uniform(0, 1, 80), 2)
b = np.round(np.clip(a - 0.05 + rng.normal(0, 0.2, 80), 0, 1), 2)
b[:6] = a[:6]
t, w = stats.ttest_rel(a, b), stats.wilcoxon(a - b, correction=False, method="approx", zero_method="wilcox")
small_t = stats.ttest_rel(a[6:10], b[6:10])
tests = {
    "a": a.tolist(),
    "b": b.tolist(),
    "standard_deviation": float(np.std(a, ddof=1)),
    "t": [float(t.statistic), float(t.pvalue)],
    "t_of_6_to_10": [float(small_t.statistic), float(small_t.pvalue)],
    "wilcoxon_p": float(w.pvalue),
}

out = {
    "n_users": N_USERS,
    "n_items": N_ITEMS,
    "n_categories": N_CATEGORIES,
    "fully_seen": FULLY_SEEN,
    "train": train,
    "valid": valid,
    "test": test,
    "scores": scores.tolist(),
    "categories": categories,
    "recbole_accuracy": {name: float(value) for name, value in accuracy.items()},
    "recbole_lists": {name: float(value) for name, value in lists_of.items()},
    "recbole_tail_at_most_3": {name: float(value) for name, value in tail_at_most_3.items()},
    "ranx": {name: float(value) for name, value in ranx.items()},
    "defined": defined,
    "ratings": ratings,
    "tests": tests,
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics.json")
with open(path, "w") as file:
    file.write("{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in out.items()) + "\n}\n")
