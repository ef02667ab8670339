"""Golden values of the state trackers and of their gradients.

    python trackers.py > trackers.json          (torch 2.9.0; float64)

Weights, item vectors and rewards are in the file, on a grid of 1/256, so that they are exact in f32 as well as in f64.
Gradients are those of sum(output * coefficients). Everything is built from torch's own layers (GRU with packed
sequences, Conv2d, Conv1d, LayerNorm), over all positions, with the masks as the papers draw them; no dropout.

Parameters are listed in the order and layout of the Rust modules: matrices [inputs, outputs], a convolution's inputs
the earliest pair first. The item table has one row more than there are items.
"""

import json
import math

import torch
from torch import nn

torch.manual_seed(7)
F = torch.float64
N_ITEMS, DIM = 7, 3


def grid(*shape, scale=0.5):
    return (torch.randn(*shape, dtype=F) * scale * 256).round() / 256


class Pairs(nn.Module):
    """x_j = [E; r], E or E r, 0 where there is padding."""

    def __init__(self, reward_input):
        super().__init__()
        self.items = nn.Parameter(grid(N_ITEMS + 1, DIM))
        self.reward_input = reward_input
        self.width = DIM + (reward_input == "concatenate")

    def forward(self, items, rewards, lengths):
        e, r = self.items[items], rewards.unsqueeze(-1)
        x = {"concatenate": torch.cat([e, r], -1), "ignore": e, "multiply": e * r}[self.reward_input]
        mask = (torch.arange(items.shape[1]) < lengths.unsqueeze(1)).unsqueeze(-1).to(F)
        return x * mask, mask


def last(x, lengths):
    return x[torch.arange(len(lengths)), lengths - 1]


class Average(nn.Module):
    def __init__(self, width, window):
        super().__init__()

    def forward(self, x, mask, lengths):
        return x.sum(1) / lengths.unsqueeze(1)

    def listed(self):
        return []


class Gru(nn.Module):
    def __init__(self, width, window):
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True, dtype=F)

    def forward(self, x, mask, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.gru(packed)[1][0]

    def listed(self):
        g = self.gru
        return [(g.weight_ih_l0, "t"), (g.bias_ih_l0, ""), (g.weight_hh_l0, "t"), (g.bias_hh_l0, "")]


class Caser(nn.Module):
    def __init__(self, width, window):
        super().__init__()
        self.horizontal = nn.ModuleList(nn.Conv2d(1, 16, (k, width), dtype=F) for k in (2, 3, 4))
        self.vertical = nn.Conv2d(1, 1, (window, 1), dtype=F)

    def forward(self, x, mask, lengths):
        image = x.unsqueeze(1)
        parts = [torch.relu(conv(image)).squeeze(-1).amax(-1) for conv in self.horizontal]
        return torch.cat(parts + [torch.relu(self.vertical(image)).flatten(1)], 1)

    def listed(self):
        convs = [part for conv in self.horizontal for part in ((conv.weight, "rows"), (conv.bias, ""))]
        return convs + [(self.vertical.weight, ""), (self.vertical.bias, "")]


class SasRec(nn.Module):
    def __init__(self, width, window, heads=1):
        super().__init__()
        self.width, self.heads = width, heads
        self.positions = nn.Parameter(torch.zeros(window, width, dtype=F))
        self.query, self.key, self.value = (nn.Linear(width, width, dtype=F) for _ in range(3))
        self.inner, self.outer = (nn.Conv1d(width, width, 1, dtype=F) for _ in range(2))
        self.ln1, self.ln2, self.ln_inner, self.ln3 = (nn.LayerNorm(width, dtype=F) for _ in range(4))

    def forward(self, x, mask, lengths):
        window = x.shape[1]
        z = (x * math.sqrt(self.width) + self.positions) * mask
        q = self.ln1(z)
        query, keys, values = self.query(q), self.key(z), self.value(z)
        allowed = torch.tril(torch.ones(window, window, dtype=torch.bool)) & (mask.transpose(1, 2) > 0)
        heads = []
        for query, keys, values in zip(*(part.chunk(self.heads, -1) for part in (query, keys, values))):
            scores = query @ keys.transpose(1, 2) / math.sqrt(self.width)
            scores = scores.masked_fill(~allowed, -math.inf)
            heads.append(torch.softmax(scores, -1) @ values)
        y = self.ln2(torch.cat(heads, -1) + q)
        inner = self.outer(torch.relu(self.inner(y.transpose(1, 2)))).transpose(1, 2)
        return last(self.ln3(self.ln_inner(inner + y) * mask), lengths)

    def listed(self):
        linear = [part for l in (self.query, self.key, self.value) for part in ((l.weight, "t"), (l.bias, ""))]
        convs = [part for c in (self.inner, self.outer) for part in ((c.weight, "rows"), (c.bias, ""))]
        norms = [
            part
            for norm in (self.ln1, self.ln2, self.ln_inner, self.ln3)
            for part in ((norm.weight, ""), (norm.bias, ""))
        ]
        return [(self.positions, "")] + linear + convs + norms


class NextItNet(nn.Module):
    def __init__(self, width, window):
        super().__init__()
        self.blocks = nn.ModuleList()
        for dilation in (1, 2, 1, 2, 1, 2):
            convs = [nn.Conv1d(width, width, 3, dilation=d, dtype=F) for d in (dilation, 2 * dilation)]
            norms = [nn.LayerNorm(width, dtype=F) for _ in range(2)]
            self.blocks.append(nn.ModuleList([convs[0], norms[0], convs[1], norms[1]]))

    def forward(self, x, mask, lengths):
        for conv1, norm1, conv2, norm2 in self.blocks:
            y = x
            for conv, norm in ((conv1, norm1), (conv2, norm2)):
                padded = nn.functional.pad(y.transpose(1, 2), (2 * conv.dilation[0], 0))
                y = torch.relu(norm(conv(padded).transpose(1, 2)))
            x = (x + y) * mask
        return last(x, lengths)

    def listed(self):
        out = []
        for conv1, norm1, conv2, norm2 in self.blocks:
            for conv, norm in ((conv1, norm1), (conv2, norm2)):
                out += [(conv.weight, "time"), (conv.bias, ""), (norm.weight, ""), (norm.bias, "")]
        return out


def layout(tensor, how):
    """The Rust modules' layout of a torch parameter or of its gradient."""
    if how == "t":
        tensor = tensor.t()
    elif how == "rows":  # [outputs, ...] to [..., outputs]
        tensor = tensor.flatten(1).t()
    elif how == "time":  # Conv1d [outputs, inputs, time] to [time, inputs, outputs]
        tensor = tensor.permute(2, 1, 0)
    return tensor.reshape(-1).tolist()


def case(kind, build, window, reward_input="concatenate", heads=1):
    pairs = Pairs(reward_input)
    tracker = build(pairs.width, window)
    for parameter in tracker.parameters():
        parameter.data = grid(*parameter.shape)
    n = 9
    lengths = torch.arange(n) % window + 1
    items = torch.randint(0, N_ITEMS + 1, (n, window))
    rewards = grid(n, window)
    for row, length in enumerate(lengths):
        items[row, length:], rewards[row, length:] = 0, 0
    x, mask = pairs(items, rewards, lengths)
    output = tracker(x, mask, lengths)
    coefficients = grid(*output.shape)
    (output * coefficients).sum().backward()
    listed = [(pairs.items, "")] + tracker.listed()
    return {
        "kind": kind,
        "window": window,
        "reward_input": reward_input,
        "heads": heads,
        "items": items.reshape(-1).tolist(),
        "rewards": rewards.reshape(-1).tolist(),
        "lengths": lengths.tolist(),
        "weights": [layout(parameter.detach(), how) for parameter, how in listed],
        "output": output.detach().reshape(-1).tolist(),
        "coefficients": coefficients.reshape(-1).tolist(),
        "gradients": [layout(parameter.grad, how) for parameter, how in listed],
    }


if __name__ == "__main__":
    cases = [
        case("average", Average, 3),
        case("average", Average, 3, "ignore"),
        case("average", Average, 4, "multiply"),
        case("gru", Gru, 3),
        case("caser", Caser, 4),
        case("caser", Caser, 5),
        case("sasrec", SasRec, 3),
        case("sasrec", lambda width, window: SasRec(width, window, 2), 5, heads=2),
        case("nextitnet", NextItNet, 3),
        case("nextitnet", NextItNet, 7),
    ]
    print(json.dumps({"n_items": N_ITEMS, "dim": DIM, "cases": cases}))
