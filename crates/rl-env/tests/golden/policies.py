"""Golden values of one learning round of PG, A2C and PPO: losses and what Adam makes of the gradients.

    python policies.py > policies.json          (torch 2.9.0; float64)

Weights, item vectors and rewards are in the file, on a grid of 1/256. The state is the mean of the last 3 pairs
[E; r]; trunk Linear-ReLU; heads Linear. A replay of 3 environments holds their episodes one after the other, some
ended by the user, some by the turn limit, one still running. Each case is one call of `learn` with one minibatch of
everything, repeated where the settings say so; torch.optim.Adam and clip_grad_norm_ with one optimizer for the item
table and one for trunk and heads. "first" and "second" are Adam's moments at the end: after one pass the gradient
times 0.1 and its square times 0.001.

Parameters in the order and layout of the Rust modules ([inputs, outputs]).
"""

import json

import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal

torch.manual_seed(11)
F = torch.float64
N_ITEMS, DIM, HIDDEN, WINDOW = 6, 4, 5, 3


def grid(*shape, scale=0.5):
    return (torch.randn(*shape, dtype=F) * scale * 256).round() / 256


class Net(nn.Module):
    def __init__(self, vectors, critic):
        super().__init__()
        inputs = DIM + 1
        self.vectors = vectors
        self.items = nn.Parameter(grid(N_ITEMS + 1, DIM))
        self.trunk = nn.Linear(inputs, HIDDEN, dtype=F)
        self.actor = nn.Linear(HIDDEN, DIM if vectors else N_ITEMS, dtype=F)
        self.log_sigma = nn.Parameter(grid(DIM)) if vectors else None
        self.own_trunk = nn.Linear(inputs, HIDDEN, dtype=F) if critic and vectors else None
        self.critic = nn.Linear(HIDDEN, 1, dtype=F) if critic else None
        for parameter in self.parameters():
            parameter.data = grid(*parameter.shape)

    def heads(self):
        out = []
        for part in (self.trunk, self.actor, self.log_sigma, self.own_trunk, self.critic):
            if isinstance(part, nn.Linear):
                out += [part.weight, part.bias]
            elif part is not None:
                out.append(part)
        return out

    def forward(self, trails):
        rows = []
        for items, rewards in trails:
            items, rewards = items[-WINDOW:], torch.tensor(rewards[-WINDOW:], dtype=F)
            rows.append(torch.cat([self.items[items], rewards.unsqueeze(1)], 1).mean(0))
        x = torch.stack(rows)
        hidden = torch.relu(self.trunk(x))
        if self.vectors:
            policy = Independent(Normal(self.actor(hidden), self.log_sigma.exp().expand(len(x), DIM)), 1)
        else:
            policy = Categorical(logits=self.actor(hidden))
        if self.critic is None:
            values = torch.zeros(len(x), dtype=F)
        else:
            values = self.critic(torch.relu(self.own_trunk(x)) if self.own_trunk else hidden).squeeze(1)
        return policy, values


def replay():
    """Steps per environment: (trail before, action, reward, terminated, truncated)."""
    shapes = [[(4, "left"), (5, "limit")], [(2, "left"), (3, "running")], [(6, "limit"), (1, "left"), (2, "limit")]]
    envs = []
    for episodes in shapes:
        steps = []
        for length, end in episodes:
            items, rewards = [int(torch.randint(0, N_ITEMS + 1, ()))], [0.0]
            for turn in range(length):
                over = turn + 1 == length
                action, reward = int(torch.randint(0, N_ITEMS, ())), grid(1).item()
                steps.append(
                    {
                        "items": list(items),
                        "rewards": list(rewards),
                        "action": action,
                        "vector": grid(DIM).tolist(),
                        "reward": reward,
                        "terminated": over and end == "left",
                        "truncated": over and end == "limit",
                    }
                )
                items, rewards = items + [action], rewards + [reward]
        envs.append(steps)
    return envs


def advantages(envs, net, gamma, lam):
    out, values = [], []
    with torch.no_grad():
        for steps in envs:
            before = net([(s["items"], s["rewards"]) for s in steps])[1]
            after = net([(s["items"] + [s["action"]], s["rewards"] + [s["reward"]]) for s in steps])[1]
            carried, reversed_out = 0.0, []
            for at in reversed(range(len(steps))):
                step = steps[at]
                if step["terminated"] or step["truncated"] or at + 1 == len(steps):
                    carried = 0.0
                following = 0.0 if step["terminated"] else after[at].item()
                carried = step["reward"] + gamma * following - before[at].item() + gamma * lam * carried
                reversed_out.append(carried)
            out += reversed_out[::-1]
            values += before.tolist()
    return torch.tensor(out, dtype=F), torch.tensor(values, dtype=F)


def case(name, vectors, config):
    """`config` in the words of the Rust settings."""
    c = config
    net = Net(vectors, name != "pg")
    envs = replay()
    steps = [step for steps in envs for step in steps]
    trails = [(s["items"], s["rewards"]) for s in steps]
    taken = torch.tensor([s["vector" if vectors else "action"] for s in steps])
    taken = taken.to(F) if vectors else taken
    lam = 1.0 if name == "pg" else c["gae_lambda"]
    a, v = advantages(envs, net, c["gamma"], lam)
    returns = a + v
    weights = {"tracker": [net.items], "heads": net.heads()}
    before = {part: [p.detach().clone() for p in ps] for part, ps in weights.items()}
    adams = {part: torch.optim.Adam(ps, lr=c["learning_rate"]) for part, ps in weights.items()}
    with torch.no_grad():
        old = net(trails)[0].log_prob(taken)
    terms_of_passes = []
    for _ in range(c.get("repeat", 1)):
        policy, values = net(trails)
        log_prob, entropy = policy.log_prob(taken), policy.entropy().mean()
        if name == "pg":
            loss = -(log_prob * returns).mean()
            terms = {"loss": loss, "entropy": entropy}
        else:
            square = (returns - values) ** 2
            if name == "a2c":
                actor = -(log_prob * a).mean()
            else:
                eps = c["clip"]
                scaled = (a - a.mean()) / (a.std() + 1e-8) if c["normalize_advantages"] else a
                ratio = (log_prob - old).exp()
                actor = -torch.min(ratio * scaled, ratio.clamp(1 - eps, 1 + eps) * scaled).mean()
                if c["value_clip"]:
                    near = v + (values - v).clamp(-eps, eps)
                    square = torch.max(square, (returns - near) ** 2)
            value = square.mean()
            loss = actor + c["value_weight"] * value - c["entropy_weight"] * entropy
            terms = {"loss": loss, "loss_actor": actor, "loss_value": value, "entropy": entropy}
        for adam in adams.values():
            adam.zero_grad()
        loss.backward()
        if c.get("max_grad_norm") is not None:
            nn.utils.clip_grad_norm_(weights["heads"], c["max_grad_norm"])
        for adam in adams.values():
            adam.step()
        terms_of_passes.append({key: term.item() for key, term in terms.items()})

    def layout(tensor, like):
        transposed = like.dim() == 2 and like is not net.items
        return (tensor.t() if transposed else tensor).reshape(-1).tolist()

    return {
        "policy": name,
        "vectors": vectors,
        "config": config,
        "envs": envs,
        "weights": {
            part: [layout(b, p) for b, p in zip(before[part], ps)] for part, ps in weights.items()
        },
        "losses": {
            key: sum(terms[key] for terms in terms_of_passes) / len(terms_of_passes)
            for key in terms_of_passes[0]
        },
        "first": {
            part: [layout(adams[part].state[p]["exp_avg"], p) for p in ps] for part, ps in weights.items()
        },
        "second": {
            part: [layout(adams[part].state[p]["exp_avg_sq"], p) for p in ps] for part, ps in weights.items()
        },
    }


if __name__ == "__main__":
    pg = {"hidden": [HIDDEN], "learning_rate": 0.01, "gamma": 0.9}
    a2c = pg | {"gae_lambda": 0.8, "value_weight": 0.5, "entropy_weight": 0.01, "max_grad_norm": None}
    ppo = a2c | {"clip": 0.2, "value_clip": False, "normalize_advantages": True, "max_grad_norm": 0.5, "repeat": 1}
    often = ppo | {"clip": 0.05, "value_clip": True, "repeat": 4, "learning_rate": 0.02, "entropy_weight": 0.0}
    cases = []
    for vectors in (False, True):
        cases += [
            case("pg", vectors, pg),
            case("a2c", vectors, a2c),
            case("a2c", vectors, a2c | {"max_grad_norm": 0.1, "gae_lambda": 1.0}),
            case("ppo", vectors, ppo),
            case("ppo", vectors, often),
            case("ppo", vectors, often | {"normalize_advantages": False, "max_grad_norm": None}),
        ]
    print(json.dumps({"n_items": N_ITEMS, "dim": DIM, "window": WINDOW, "cases": cases}))
