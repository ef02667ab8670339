"""Steps a second of EasyRL4Rec's environments on data of KuaiRec's shape, with random actions.

Needs a checkout of EasyRL4Rec with its tianshou at src/tianshou, named by the environment variable EASYRL4REC, and numpy
below 2. Nothing of the data set is needed: 1411 users, 3327 items and 31 tags are generated here, like those of the
throughput example of rl-env, so that episodes have the length of the real data set's (9.8 turns). Prints one JSON.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
import types

USERS, ITEMS, TAGS, WINDOW, THRESHOLD, MAX_TURN = 1411, 3327, 31, 9, 1, 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", type=int, default=100, help="environments of the vector (100)")
    parser.add_argument("--steps", type=int, default=50_000, help="steps of a measurement (50000)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements (3)")
    return parser.parse_args()


def reference():
    """The classes that are measured."""
    checkout = os.environ.get("EASYRL4REC")
    if not checkout or not os.path.isdir(os.path.join(checkout, "src", "tianshou", "tianshou")):
        sys.exit("EASYRL4REC must name a checkout of EasyRL4Rec with tianshou at src/tianshou")
    for folder in ("", "src", "src/DeepCTR-Torch", "src/tianshou"):
        sys.path.insert(0, os.path.abspath(os.path.join(checkout, folder)))
    # It would read the data set when it is imported.
    stand_in = types.ModuleType("src.core.envs.KuaiRec.preprocessing_kuairec")
    stand_in.get_df_data = None
    sys.modules[stand_in.__name__] = stand_in
    # Folders are made below the current one.
    os.chdir(tempfile.mkdtemp())
    os.makedirs("data/KuaiRec/data_processed")
    import torch

    torch.set_num_threads(1)
    from src.core.envs.KuaiRec.KuaiEnv import KuaiEnv
    from src.core.envs.Simulated_Env.base import BaseSimulatedEnv
    from tianshou.env import DummyVectorEnv

    return KuaiEnv, BaseSimulatedEnv, DummyVectorEnv


def generated(numpy):
    """What an environment is made from: rewards, ids, tags."""
    from sklearn.preprocessing import LabelEncoder

    rng = numpy.random.default_rng(2023)
    weights = 0.01 + 1 / (1 + (numpy.arange(TAGS) / 6.35) ** 6)
    counts = rng.choice([1, 2, 3, 4], size=ITEMS, p=[0.845, 0.135, 0.015, 0.005])
    tags = [rng.choice(TAGS, size=n, replace=False, p=weights / weights.sum()).tolist() for n in counts]
    return {
        "mat": numpy.minimum(rng.lognormal(-0.33, 0.62, (USERS, ITEMS)), 5),
        "lbe_user": LabelEncoder().fit(numpy.arange(USERS)),
        "lbe_item": LabelEncoder().fit(numpy.arange(ITEMS)),
        "list_feat": tags,
        "num_leave_compute": WINDOW,
        "leave_threshold": THRESHOLD,
        "max_turn": MAX_TURN,
        "random_init": True,
    }


def rate(work, steps, repeats):
    """Steps a second and a second of processor time: median and best of the repeats."""
    wall, cpu = [], []
    for repeat in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        work(repeat)
        wall.append(steps / (time.perf_counter() - start))
        cpu.append(steps / (time.process_time() - start_cpu))
    return {
        "seconds_per_million": {"median": 1e6 / statistics.median(wall), "min": 1e6 / max(wall)},
        "steps_per_second": {"median": round(statistics.median(wall)), "max": round(max(wall))},
        "steps_per_cpu_second": {"median": round(statistics.median(cpu)), "max": round(max(cpu))},
    }


def main():
    options = arguments()
    KuaiEnv, BaseSimulatedEnv, DummyVectorEnv = reference()
    import numpy
    import torch

    random.seed(1)
    parts = generated(numpy)
    predicted = numpy.random.default_rng(1).random((USERS, ITEMS))
    # The simulated environment only switches its user model to evaluation; rewards come from the matrix.
    model = types.SimpleNamespace(eval=lambda: model)

    def true():
        return KuaiEnv(**parts)

    def simulated():
        return BaseSimulatedEnv(model, KuaiEnv, parts, "KuaiEnv-v0", predicted_mat=predicted)

    episodes = [0, 0]

    def one(make):
        env = make()

        def work(seed):
            actions = numpy.random.default_rng(seed).integers(0, ITEMS, options.steps)
            env.reset()
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
                    episodes[0] += 1
            episodes[1] += options.steps

        return rate(work, options.steps, options.repeats)

    def many(make):
        rounds = options.steps // options.envs
        envs = DummyVectorEnv([make] * options.envs)
        everyone = numpy.arange(options.envs)

        def work(seed):
            actions = numpy.random.default_rng(seed).integers(0, ITEMS, (rounds, options.envs))
            envs.reset()
            for row in actions:
                _, _, terminated, truncated, _ = envs.step(row, everyone)
                ended = numpy.flatnonzero(numpy.logical_or(terminated, truncated))
                if len(ended):
                    envs.reset(ended)

        return rate(work, rounds * options.envs, options.repeats)

    result = {
        "shape": "kuairec",
        "actions": "random",
        "envs": options.envs,
        "true": {"one": one(true), "vector": many(true)},
        "simulated": {"one": one(simulated), "vector": many(simulated)},
        "episode_length": round(episodes[1] / max(episodes[0], 1), 2),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
