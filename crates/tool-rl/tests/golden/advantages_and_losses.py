"""Golden values of advantage estimation, whitening, the PPO loss and KL control.

Made with trl 0.10.1 (the version that the released StepTool code builds on), torch 2.9.0. TRL's PPOTrainer cannot be built
without a model, and its module wants packages that are beside the point, so they are stubbed and its methods are called on a
namespace that holds the settings alone. GRPO's and RLOO's advantages are their formulas in torch, since their trainers compute
them inside longer functions.

    python advantages_and_losses.py > advantages_and_losses.json
"""
import importlib.machinery
import json
import sys
import types
from types import SimpleNamespace

import torch


class Stub(types.ModuleType):
    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for name in ["datasets", "tyro"]:
    sys.modules[name] = Stub(name)

import trl.core as core  # noqa: E402


def method(source, name):
    """A method out of the source of trl.trainer.ppo_trainer, without importing what that module imports."""
    import ast
    import textwrap

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            node.decorator_list = []
            text = textwrap.dedent(ast.unparse(node))
            scope = {
                "torch": torch, "math": __import__("math"), "np": __import__("numpy"),
                "masked_whiten": core.masked_whiten, "masked_mean": core.masked_mean,
                "masked_var": core.masked_var, "clip_by_value": core.clip_by_value,
                "flatten_dict": core.flatten_dict, "entropy_from_logits": core.entropy_from_logits,
                "List": list, "Dict": dict, "Optional": object, "Union": object, "warnings": __import__("warnings"),
            }
            text = "from __future__ import annotations\n" + text
            exec(text, scope)
            return scope[name]
    raise KeyError(name)


path = core.__file__.replace("core.py", "trainer/ppo_trainer.py")
source = open(path).read()
compute_advantages = method(source, "compute_advantages")
loss = method(source, "loss")
utils = open(core.__file__.replace("core.py", "trainer/utils.py")).read()
controller = {"np": __import__("numpy")}
import ast  # noqa: E402

for node in ast.parse(utils).body:
    if isinstance(node, ast.ClassDef) and node.name in ("AdaptiveKLController", "FixedKLController"):
        exec(ast.unparse(node), controller)

config = SimpleNamespace(
    gamma=0.99, lam=0.95, cliprange=0.2, cliprange_value=0.2, vf_coef=0.1, ratio_threshold=10.0, whiten_rewards=False
)
trainer = SimpleNamespace(config=config)

generator = torch.Generator().manual_seed(7)
# Three steps of 3, 2 and 4 action tokens with observations of 2, 3 and 0 tokens between them.
steps, observations = [3, 2, 4], [2, 3, 0]
mask = torch.tensor([[1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1]], dtype=torch.float32)
values = torch.randn(mask.shape, generator=generator)
kl = 0.1 * torch.randn(mask.shape, generator=generator)
rewards = -0.3 * kl
step_rewards = [0.5, 0.2, 1.0]
for at, reward in zip([2, 6, 13], step_rewards):
    rewards[0, at] += reward
_, advantages, returns = compute_advantages(trainer, values.clone(), rewards.clone(), mask)
keep = mask[0].bool()
no_mask = torch.ones(1, int(mask.sum()))
_, skip_advantages, skip_returns = compute_advantages(trainer, values[:, keep].clone(), rewards[:, keep].clone(), no_mask)
gae = {
    "steps": steps, "observations": observations, "gamma": 0.99, "lambda": 0.95,
    "step_rewards": step_rewards, "token_rewards": (-0.3 * kl)[0][keep].tolist(), "values": values[0][keep].tolist(),
    "over_observations": {"returns": returns[0][keep].tolist(), "whitened_advantages": advantages[0][keep].tolist()},
    "skipping": {"returns": skip_returns[0].tolist(), "whitened_advantages": skip_advantages[0].tolist()},
}

n = 24
old = -torch.rand(1, n, generator=generator) * 2
new = (old + 0.4 * torch.randn(1, n, generator=generator)).requires_grad_()
old_values = torch.randn(1, n, generator=generator)
vpreds = (old_values + 0.5 * torch.randn(1, n, generator=generator)).requires_grad_()
adv = torch.randn(1, n, generator=generator)
ret = torch.randn(1, n, generator=generator)
logits = torch.randn(1, n, 5, generator=generator)
pg, vf, stats = loss(trainer, old, old_values, logits, vpreds, new, torch.ones(1, n), adv, ret)
(pg + vf).backward()
ppo = {
    "old_log_probs": old[0].tolist(), "log_probs": new[0].tolist(), "old_values": old_values[0].tolist(),
    "values": vpreds[0].tolist(), "advantages": adv[0].tolist(), "returns": ret[0].tolist(),
    "policy_loss": pg.item(), "value_loss": vf.item() / config.vf_coef,
    "clip_fraction": stats["policy/clipfrac"].item(), "value_clip_fraction": stats["val/clipfrac"].item(),
    "log_prob_gradient": new.grad[0].tolist(), "value_gradient": (vpreds.grad[0] / config.vf_coef).tolist(),
}

whitening = []
for size in (2, 7, 40):
    x = 3 + 2 * torch.randn(size, generator=generator)
    ones = torch.ones(size)
    whitening.append({
        "values": x.tolist(), "shifted": core.masked_whiten(x, ones).tolist(),
        "kept_mean": core.masked_whiten(x, ones, shift_mean=False).tolist(),
    })

adaptive = controller["AdaptiveKLController"](init_kl_coef=0.3, target=6.0, horizon=10000.0)
path = []
for current in (1.0, 6.0, 7.0, 20.0, -1.0):
    adaptive.update(current, 8)
    path.append({"kl": current, "beta": adaptive.value})

scores = torch.tensor([1.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0])
grouped = scores.view(2, 4)
grpo = ((grouped - grouped.mean(1, keepdim=True)) / (grouped.std(1, keepdim=True) + 1e-4)).flatten()
rloo = (grouped - (grouped.sum(1, keepdim=True) - grouped) / 3).flatten()

p, q = torch.log(torch.tensor([0.3, 0.6, 0.05])), torch.log(torch.tensor([0.2, 0.7, 0.25]))
estimators = {
    "policy": p.tolist(), "reference": q.tolist(), "k1": (p - q).tolist(), "k2": (0.5 * (p - q).square()).tolist(),
    "k3": (torch.exp(q - p) - (q - p) - 1).tolist(), "absolute": (p - q).abs().tolist(),
}

json.dump({
    "versions": {"trl": __import__("trl").__version__, "torch": torch.__version__.split("+")[0]},
    "gae": gae, "ppo": ppo, "whitening": whitening, "adaptive_kl": {"beta": 0.3, "target": 6.0, "horizon": 10000.0, "episodes": 8, "path": path},
    "groups": {"returns": scores.tolist(), "groups": [0] * 4 + [1] * 4, "standardised": grpo.tolist(), "leave_one_out": rloo.tolist()},
    "estimators": estimators,
}, sys.stdout, indent=1)
