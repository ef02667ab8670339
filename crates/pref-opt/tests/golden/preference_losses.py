"""Losses of preference pairs as TRL computes them, for tests/losses.rs.

pip install "trl==0.19.1" "transformers==4.53.3" "pyarrow<20" torch
python preference_losses.py > trl.json
"""
import json
import types

import torch
from trl import CPOTrainer, DPOTrainer, ORPOTrainer
from trl.trainer.dpo_config import FDivergenceConstants, FDivergenceType

torch.manual_seed(7)
ROWS = 12
PAIRS = -torch.rand(ROWS, 4, dtype=torch.float64) * 8 - 0.5
PAIRS[0] = torch.tensor([-3.0, -4.0, -3.5, -3.8])
PAIRS[1, 2:] = PAIRS[1, :2]
TOKENS = torch.randint(1, 9, (ROWS, 2)).double()
TOKENS[0] = torch.tensor([4.0, 5.0])
cases = []


def add(loss, divergence, beta, losses):
    cases.append({"beta": beta, "loss": loss, "divergence": divergence, "pairs": PAIRS.tolist(),
                  "tokens": TOKENS.tolist(), "losses": losses.tolist()})


def dpo(kind, loss, beta=0.1, smoothing=0.0, pairs=PAIRS, divergence=None, alpha=None):
    own = types.SimpleNamespace(
        beta=beta, label_smoothing=smoothing, loss_type=kind, reference_free=False,
        accelerator=types.SimpleNamespace(device="cpu"),
        f_divergence_type=divergence or FDivergenceType.REVERSE_KL.value,
        f_divergence_params={FDivergenceConstants.ALPHA_DIVERGENCE_COEF_KEY: alpha} if alpha else None,
        args=types.SimpleNamespace(discopop_tau=0.05),
    )
    losses, _, _ = DPOTrainer.dpo_loss(own, pairs[:, 0], pairs[:, 1], pairs[:, 2], pairs[:, 3])
    ours = {None: {"kind": "reverse-kl"}, "js_divergence": {"kind": "jensen-shannon"},
            "alpha_divergence": {"kind": "alpha", "alpha": 1 - (alpha or 0)}}[divergence]
    add(loss, ours, beta, losses)


for beta in (0.1, 0.7):
    dpo("sigmoid", {"kind": "sigmoid"}, beta)
    dpo("robust", {"kind": "robust", "label_smoothing": 0.1}, beta, 0.1)
    dpo("hinge", {"kind": "hinge"}, beta)
    dpo("exo_pair", {"kind": "exo-pair", "label_smoothing": 0.001}, beta, 0.001)
    dpo("nca_pair", {"kind": "nca-pair"}, beta)
    dpo("sppo_hard", {"kind": "sppo-hard"}, beta)
    dpo("apo_zero", {"kind": "apo-zero"}, beta)
    dpo("apo_down", {"kind": "apo-down"}, beta)
    dpo("discopop", {"kind": "disco-pop"}, beta)
    # TRL averages log-probabilities over tokens before this function.
    dpo("ipo", {"kind": "ipo", "token_averaged": False}, beta)
    averaged = PAIRS / TOKENS.repeat(1, 2)
    dpo("ipo", {"kind": "ipo"}, beta, pairs=averaged)
    dpo("sigmoid", {"kind": "sigmoid"}, beta, divergence="js_divergence")
    dpo("sigmoid", {"kind": "sigmoid"}, beta, divergence="alpha_divergence", alpha=0.5)
dpo("sigmoid", {"kind": "sigmoid", "label_smoothing": 0.1}, 0.1, 0.1)

means = PAIRS[:, :2] / TOKENS
own = types.SimpleNamespace(beta=2.0, label_smoothing=0.0, loss_type="simpo", simpo_gamma=2.0, alpha=0.0,
                            accelerator=types.SimpleNamespace(device="cpu"))
losses, _, _ = CPOTrainer.cpo_loss(own, means[:, 0], means[:, 1])
# TRL writes the margin as gamma / beta inside beta.
add({"kind": "sim-po", "gamma": 2.0}, {"kind": "reverse-kl"}, 2.0, losses)
own = types.SimpleNamespace(beta=0.1, label_smoothing=0.0, loss_type="sigmoid",
                            accelerator=types.SimpleNamespace(device="cpu"))
losses, _, _ = CPOTrainer.cpo_loss(own, PAIRS[:, 0], PAIRS[:, 1])
add({"kind": "cpo", "alpha": 1.0}, {"kind": "reverse-kl"}, 0.1, losses - means[:, 0])
own = types.SimpleNamespace(beta=0.1, accelerator=types.SimpleNamespace(device="cpu"))
losses = ORPOTrainer.odds_ratio_loss(own, means[:, 0], means[:, 1])[0]
add({"kind": "orpo", "lambda": 0.1}, {"kind": "reverse-kl"}, 0.1, -means[:, 0] - losses)
print(json.dumps(cases))
