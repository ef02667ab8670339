"""Time the bare DirectAU training step in PyTorch: no loader, no framework.

    python torch_directau.py --users 943 --items 1682 --batch 1024 [--dim 64] [--threads 2]

Prints one JSON line: median and minimum milliseconds of forward + backward + optimizer step, for uniformity through
torch.pdist (as published) and through a Gram matrix, with torch.optim.Adam as it comes and with fused=True (same
result); and the machine's f32 matrix product rate in GFLOP/s, the ceiling for either.
"""

import argparse
import json
import math
import os
import resource
import statistics
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--users", type=int, default=943)
ap.add_argument("--items", type=int, default=1682)
ap.add_argument("--batch", type=int, default=1024)
ap.add_argument("--dim", type=int, default=64)
ap.add_argument("--gamma", type=float, default=1.0)
ap.add_argument("--lr", type=float, default=1e-3)
ap.add_argument("--weight-decay", type=float, default=1e-6)
ap.add_argument("--steps", type=int, default=40, help="timed, after five that are not")
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--seed", type=int, default=2020)
ap.add_argument("--gemm", type=int, default=2048, help="order of the square matrices of the GEMM rate; 0: leave out")
ARGS = ap.parse_args()
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)
os.environ.setdefault("KMP_BLOCKTIME", "0")

import torch
from torch.nn.functional import normalize

WARM_UP = 5


def uniformity_pdist(z):
    return torch.pdist(z).square().mul(-2).exp().mean().log()


def uniformity_gram(z):
    """The same value: log mean exp(4 cos - 4) over pairs, without distances."""
    size = z.shape[0]
    kernel = torch.exp(4 * (z @ z.T) - 4)
    return ((kernel.sum() - kernel.diagonal().sum()) / (size * (size - 1))).log()


def run(uniformity, fused):
    torch.manual_seed(ARGS.seed)
    users = torch.nn.Embedding(ARGS.users, ARGS.dim)
    items = torch.nn.Embedding(ARGS.items, ARGS.dim)
    for table in (users, items):
        torch.nn.init.xavier_normal_(table.weight)
    adam = torch.optim.Adam([users.weight, items.weight], lr=ARGS.lr, weight_decay=ARGS.weight_decay,
                            **({"fused": True} if fused else {}))
    batches = [(torch.randint(ARGS.users, (ARGS.batch,)), torch.randint(ARGS.items, (ARGS.batch,)))
               for _ in range(WARM_UP + ARGS.steps)]
    seconds = []
    for user, item in batches:
        start, cpu = time.perf_counter(), time.process_time()
        x, y = normalize(users(user), dim=-1), normalize(items(item), dim=-1)
        align = (x - y).norm(dim=1).square().mean()
        loss = align + ARGS.gamma * (uniformity(x) + uniformity(y)) / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
        seconds.append((time.perf_counter() - start, time.process_time() - cpu))
    wall, cpu = zip(*seconds[WARM_UP:])
    return {"ms_median": 1e3 * statistics.median(wall), "ms_min": 1e3 * min(wall),
            "cpu_ms_median": 1e3 * statistics.median(cpu), "last_loss": loss.item()}


def gemm_gflops(order):
    a, b = torch.randn(order, order), torch.randn(order, order)
    best = math.inf
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * order**3 / best / 1e9


def main():
    torch.set_num_threads(ARGS.threads)
    out = {"peer": "torch", "n_users": ARGS.users, "n_items": ARGS.items, "batch": ARGS.batch, "dim": ARGS.dim}
    for form, uniformity in (("pdist", uniformity_pdist), ("gram", uniformity_gram)):
        for fused in (False, True):
            out[f"{form}_adam{'_fused' if fused else ''}"] = run(uniformity, fused)
    if ARGS.gemm:
        out["gemm_f32_gflops"] = gemm_gflops(ARGS.gemm)
    out["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out["torch"], out["threads"], out["load"] = torch.__version__, torch.get_num_threads(), os.getloadavg()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
