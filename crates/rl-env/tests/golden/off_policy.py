"""Golden values of the off-policy estimators, by the package `obp` (Open Bandit Pipeline).

    pip install numpy pandas scikit-learn scipy tqdm pyyaml
    pip install --no-deps --ignore-requires-python obp==0.5.7
    python off_policy.py > off_policy.json

Only the module of the estimators is loaded: the package as a whole asks for torch and for old versions of much else.
"""

import importlib.util
import json
import pathlib
import sys
import types

import numpy as np

root = pathlib.Path(importlib.util.find_spec("obp").origin).parent
for name, folder in [("obp", root), ("obp.ope", root / "ope")]:
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
try:
    import torch  # noqa: F401
except ImportError:
    # The checks of arguments name tensors in their annotations.
    sys.modules["torch"] = types.ModuleType("torch")
    sys.modules["torch"].Tensor = sys.modules["torch"].tensor = object

from obp.ope import estimators as e  # noqa: E402

rng = np.random.default_rng(7)
rounds, actions, positions = 60, 4, 2
logging = rng.dirichlet(np.ones(actions), size=rounds)
action = np.array([rng.choice(actions, p=row) for row in logging])
position = rng.integers(0, positions, size=rounds)
pscore = logging[np.arange(rounds), action]
target = rng.dirichlet(np.ones(actions), size=rounds)
truth = rng.uniform(0.1, 0.9, size=(rounds, actions))
reward = rng.binomial(1, truth[np.arange(rounds), action])
predicted = np.clip(truth + 0.2 * rng.standard_normal(truth.shape), 0, 1)


def by_position(table):
    """obp wants one table for each position; of these only that of the round's position counts."""
    return np.repeat(table[:, :, None], positions, axis=2)


shared = dict(reward=reward, action=action, position=position, action_dist=by_position(target))
with_score = dict(shared, pscore=pscore)
with_model = dict(with_score, estimated_rewards_by_reg_model=by_position(predicted))
values = {
    "ips": e.InverseProbabilityWeighting().estimate_policy_value(**with_score),
    "clipped_ips": e.InverseProbabilityWeighting(lambda_=2.0).estimate_policy_value(**with_score),
    "snips": e.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**with_score),
    "direct_method": e.DirectMethod().estimate_policy_value(
        action_dist=shared["action_dist"],
        estimated_rewards_by_reg_model=with_model["estimated_rewards_by_reg_model"],
        position=position,
    ),
    "doubly_robust": e.DoublyRobust().estimate_policy_value(**with_model),
    "clipped_doubly_robust": e.DoublyRobust(lambda_=2.0).estimate_policy_value(**with_model),
}
json.dump(
    {
        "actions": action.tolist(),
        "positions": position.tolist(),
        "rewards": reward.tolist(),
        "propensities": pscore.tolist(),
        "target": target.ravel().tolist(),
        "predicted": predicted.ravel().tolist(),
        "values": {name: float(value) for name, value in values.items()},
    },
    sys.stdout,
)
print()
