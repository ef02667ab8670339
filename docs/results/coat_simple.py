#!/usr/bin/env python3
"""What simple policies earn on Coat in free browsing: how much of the reward is in the log's ratings, in not repeating, and in
knowing which coats are too much alike. Needs NumPy.

    python3 docs/results/coat_simple.py FOLDER

FOLDER holds Coat's train.ascii and RL4Rec's coat_pseudoGT_ratingM.ascii. Users leave when one of their last 7 coats is nearer than
6, or after 30 turns, as in the experiments (the window cut exactly, not as the reference does).
"""
import sys, pathlib
import numpy as np

folder, episodes = pathlib.Path(sys.argv[1]), 3000
truth, log = np.loadtxt(folder / "coat_pseudoGT_ratingM.ascii"), np.loadtxt(folder / "train.ascii")
users, items = truth.shape
squares = (truth**2).sum(0)
close = squares[:, None] + squares[None] - 2 * truth.T @ truth < 36 - 1e-6
np.fill_diagonal(close, True)
rng = np.random.default_rng(0)


def play(choose):
    rewards, lengths = [], []
    for _ in range(episodes):
        user, trail, reward = rng.integers(users), [rng.integers(items)], 0.0
        for turn in range(30):
            item = choose(trail)
            reward += truth[user, item]
            leaves = turn > 0 and close[item, trail[1:][-7:]].any()
            trail.append(item)
            if leaves:
                break
        rewards.append(reward)
        lengths.append(len(trail) - 1)
    error = np.std(rewards) / np.sqrt(episodes)
    return f"{np.mean(rewards):6.2f} ± {error:.2f} in {np.mean(lengths):5.2f} turns, {np.sum(rewards) / np.sum(lengths):.3f} a turn"


def draw(weights, spare):
    """An item by `weights`, none of the last `spare`."""

    def choose(trail):
        own = weights.copy()
        own[trail[-spare:] if spare else []] = 0
        return rng.choice(items, p=own / own.sum())

    return choose


def cycle(order, count, alike):
    """The first `count` of `order` that are not `alike`, over and over."""
    chosen = []
    for item in order:
        if len(chosen) < count and not alike[item, chosen].any():
            chosen.append(item)
    return lambda trail: chosen[(len(trail) - 1) % count]


counts = (log > 0).sum(0)
# Five ratings of the mean are added to each coat's own.
rating = (log.sum(0) + 5 * log[log > 0].mean()) / (counts + 5)
for name, weights in [
    ("any coat", np.ones(items)),
    ("as often as in the log", counts.astype(float)),
    ("softmax of the log's mean rating / 0.5", np.exp(rating / 0.5)),
    ("softmax of the log's mean rating / 0.25", np.exp(rating / 0.25)),
]:
    for spare in (0, 3, 7):
        print(f"{name}, none of the last {spare}:".ljust(60), play(draw(weights, spare)))
best = np.argsort(-rating)
for count in (8, 12):
    print(f"the log's best {count} in turn:".ljust(60), play(cycle(best, count, np.eye(items, dtype=bool))))
    print(f"the same, no two of them too close (truth):".ljust(60), play(cycle(best, count, close)))
