"""Time RecBole 1.2.1's pipeline, and a DirectAU model inside it, on a split made elsewhere.

    python recbole_directau.py train    --train T.tsv --valid V.tsv --test S.tsv [options]
    python recbole_directau.py evaluate --train T.tsv --valid V.tsv --test S.tsv [options]

Prints one JSON line. RecBole's own Dataset, TrainDataLoader, Trainer and full-ranking evaluator do the work; only the
DirectAU model is added here (RecBole 1.2.1 has none). Every row of the files is a positive; nothing is filtered.

train     seconds of each training epoch (without validation), then seconds of a validation pass with RecBole's default
          eval_batch_size and with a large one. --patience N validates after every epoch and stops early as
          RecBole does; --metrics adds validation and test metrics (of the best epoch if there was selection).
evaluate  seconds to rank all items for every user of the validation file, top 20: RecBole's evaluator with both batch
          sizes, and plain PyTorch (matmul, mask, topk over blocks of users) on the same tables.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

DATASET = "peer"
PARTS = ("train", "valid", "test")


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("mode", choices=("train", "evaluate"))
    for part in PARTS:
        ap.add_argument("--" + part, type=Path, required=True, help=f"user<TAB>item rows under a header: {part}")
    ap.add_argument("--model", default="DirectAU", help="DirectAU, or a RecBole model: BPR, LightGCN, EASE, ItemKNN, Pop")
    ap.add_argument("--encoder", default="MF", choices=("MF", "LightGCN"), help="of DirectAU")
    ap.add_argument("--epochs", type=int, default=3)
    ap.add_argument("--patience", type=int, help="select on NDCG@20 after each epoch; stop after N+1 without gain")
    ap.add_argument("--gamma", type=float, default=1.0)
    ap.add_argument("--batch", type=int, help="default 1024 for DirectAU, else RecBole's 2048")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--weight-decay", type=float, help="default 1e-6 for DirectAU, else 0")
    ap.add_argument("--dim", type=int, default=64)
    ap.add_argument("--layers", type=int, default=2, help="of LightGCN")
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--seed", type=int, default=2020)
    ap.add_argument("--repeats", type=int, default=3, help="evaluation passes timed for each batch size")
    ap.add_argument("--large-eval-batch", type=int, default=1 << 23, help="scores per batch; RecBole's default is 4096")
    ap.add_argument("--block", type=int, default=1024, help="users per block of the plain PyTorch ranking")
    ap.add_argument("--metrics", action="store_true")
    return ap.parse_args()


ARGS = arguments()
# Before torch is imported: OpenMP reads these once. Spinning threads would fight each other on a shared machine.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)
os.environ.setdefault("KMP_BLOCKTIME", "0")

import numpy as np
import scipy.sparse as sp
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.model.init import xavier_normal_initialization
from recbole.utils import InputType, get_model, get_trainer, init_seed
from torch import nn
from torch.nn.functional import normalize

# RecBole 1.2.1 pickles its Config into checkpoints; torch >= 2.6 refuses that unless told otherwise. The only
# checkpoints loaded here are those this process has just written.
_load = torch.load
torch.load = lambda *a, **k: _load(*a, **{"weights_only": False, **k})


class DirectAU(GeneralRecommender):
    """alignment + gamma * uniformity of matrix factorisation or LightGCN embeddings; scores by inner product."""

    input_type = InputType.POINTWISE

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.gamma = config["gamma"]
        self.user_embedding = nn.Embedding(self.n_users, config["embedding_size"])
        self.item_embedding = nn.Embedding(self.n_items, config["embedding_size"])
        self.layers = config["n_layers"] if config["encoder"] == "LightGCN" else 0
        if self.layers:
            self.adjacency = self.normalised_adjacency(dataset.inter_matrix(form="coo"))
        self.ranked = None
        self.apply(xavier_normal_initialization)

    def normalised_adjacency(self, interactions):
        size = self.n_users + self.n_items
        row, col = interactions.row, interactions.col + self.n_users
        graph = sp.csr_matrix((np.ones(2 * len(row)), (np.r_[row, col], np.r_[col, row])), (size, size))
        graph.data[:] = 1.0
        scale = sp.diags((graph.getnnz(1) + 1e-7) ** -0.5)
        graph = (scale @ graph @ scale).tocoo()
        index = torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64))
        return torch.sparse_coo_tensor(index, torch.from_numpy(graph.data).float(), graph.shape).coalesce()

    def tables(self):
        users, items = self.user_embedding.weight, self.item_embedding.weight
        if not self.layers:
            return users, items
        layer = total = torch.cat([users, items])
        for _ in range(self.layers):
            layer = torch.sparse.mm(self.adjacency, layer)
            total = total + layer
        return torch.split(total / (self.layers + 1), [self.n_users, self.n_items])

    @staticmethod
    def uniformity(z):
        return torch.pdist(z).square().mul(-2).exp().mean().log()

    def calculate_loss(self, interaction):
        self.ranked = None
        users, items = interaction[self.USER_ID], interaction[self.ITEM_ID]
        if self.layers:
            all_users, all_items = self.tables()
            x, y = all_users[users], all_items[items]
        else:
            x, y = self.user_embedding(users), self.item_embedding(items)
        x, y = normalize(x, dim=-1), normalize(y, dim=-1)
        align = (x - y).norm(dim=1).square().mean()
        return align + self.gamma * (self.uniformity(x) + self.uniformity(y)) / 2

    def full_sort_predict(self, interaction):
        if self.ranked is None:
            self.ranked = self.tables()
        users, items = self.ranked
        return (users[interaction[self.USER_ID]] @ items.T).view(-1)


def write_atomic(folder):
    """The split as RecBole's pre-split atomic files; the number of rows in each."""
    folder.mkdir(parents=True)
    counts = {}
    for part in PARTS:
        with open(getattr(ARGS, part), encoding="utf-8") as src, \
                open(folder / f"{DATASET}.{part}.inter", "w", encoding="utf-8") as out:
            next(src)
            out.write("user_id:token\titem_id:token\n")
            counts[part] = 0
            for line in src:
                user, item = line.rstrip("\n").split("\t")[:2]
                out.write(f"{user}\t{item}\n")
                counts[part] += 1
    return counts


def configuration(root):
    au = ARGS.model == "DirectAU"
    chosen = {
        "data_path": str(root), "checkpoint_dir": str(root / "saved"), "benchmark_filename": list(PARTS),
        "load_col": {"inter": ["user_id", "item_id"]}, "use_gpu": False, "show_progress": False,
        "seed": ARGS.seed, "reproducibility": True, "epochs": ARGS.epochs, "eval_step": 1,
        "stopping_step": ARGS.patience or 0, "eval_args": {"mode": "full"},
        "metrics": ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"], "topk": [10, 20, 50],
        "valid_metric": "NDCG@20", "metric_decimal_place": 6,
        "learning_rate": ARGS.lr, "weight_decay": ARGS.weight_decay if ARGS.weight_decay is not None else au * 1e-6,
        "train_batch_size": ARGS.batch or (1024 if au else 2048),
        "embedding_size": ARGS.dim, "n_layers": ARGS.layers,
    }
    if ARGS.mode == "evaluate":
        chosen.update(metrics=["Recall", "NDCG"], topk=[20])
    if au:
        chosen.update(gamma=ARGS.gamma, encoder=ARGS.encoder, train_neg_sample_args=None)
    sys.argv = sys.argv[:1]  # Config reads the command line, too
    cls = DirectAU if au else get_model(ARGS.model)
    return Config(model=cls, dataset=DATASET, config_dict=chosen), cls


def timed(function, seconds):
    """`function`, noting wall and processor seconds of each call."""
    def call(*args, **kwargs):
        start, cpu = time.perf_counter(), time.process_time()
        result = function(*args, **kwargs)
        seconds.append((time.perf_counter() - start, time.process_time() - cpu))
        return result
    return call


def summary(seconds):
    if not seconds:
        return None
    wall, cpu = zip(*seconds)
    return {"median": statistics.median(wall), "min": min(wall), "cpu_median": statistics.median(cpu), "all": wall}


def evaluation_seconds(trainer, loader):
    seconds = []
    for _ in range(ARGS.repeats):
        timed(trainer.evaluate, seconds)(loader, load_best_model=False)
    return summary(seconds)


@torch.no_grad()
def plain_ranking_seconds(model, loader, k=20):
    """Top k of all items for the loader's users, with its seen items masked: matmul, index_put, topk."""
    users = loader.uid_list
    histories = [loader.uid2history_item[u] for u in users]
    blocks = []
    for at in range(0, len(users), ARGS.block):
        part = histories[at:at + ARGS.block]
        rows = torch.repeat_interleave(torch.arange(len(part)), torch.tensor([len(h) for h in part]))
        blocks.append((users[at:at + ARGS.block], rows, torch.cat(part)))
    user_table, item_table = (t.detach() for t in model.tables())

    def rank():
        for ids, rows, seen in blocks:
            scores = user_table[ids] @ item_table.T
            scores[:, 0] = -torch.inf
            scores[rows, seen] = -torch.inf
            scores.topk(k, dim=1)

    seconds = []
    for _ in range(ARGS.repeats + 1):
        timed(rank, seconds)()
    return summary(seconds[1:])


def measure(root):
    counts = write_atomic(root / DATASET)
    os.chdir(root)  # RecBole writes logs and summaries into the current folder
    torch.set_num_threads(ARGS.threads)
    config, cls = configuration(root)
    init_seed(config["seed"], True)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    default_batch = config["eval_batch_size"]
    config["eval_batch_size"] = ARGS.large_eval_batch
    large = FullSortEvalDataLoader(config, valid._dataset, valid._sampler, shuffle=False)
    config["eval_batch_size"] = default_batch
    init_seed(config["seed"], True)
    start = time.perf_counter()
    model = cls(config, train._dataset)
    built = time.perf_counter() - start
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)

    out = {
        "peer": "recbole", "mode": ARGS.mode, "model": ARGS.model,
        "encoder": ARGS.encoder if ARGS.model == "DirectAU" else None, "gamma": ARGS.gamma, "dim": ARGS.dim,
        "batch": config["train_batch_size"], "lr": config["learning_rate"], "weight_decay": config["weight_decay"],
        "seed": ARGS.seed, "rows": counts, "n_users": dataset.user_num - 1, "n_items": dataset.item_num - 1,
    }
    if ARGS.mode == "evaluate":
        trainer.eval_collector.data_collect(train)
        out["users"] = len(valid.uid_list)
        out["seconds_recbole"] = evaluation_seconds(trainer, valid)
        out["seconds_recbole_large"] = evaluation_seconds(trainer, large)
        if hasattr(model, "tables"):
            out["block"] = ARGS.block
            out["seconds_torch"] = plain_ranking_seconds(model, large)
    else:
        epochs, passes = [], []
        trainer._train_epoch = timed(trainer._train_epoch, epochs)
        trainer._valid_epoch = timed(trainer._valid_epoch, passes)
        select = ARGS.patience is not None
        start = time.perf_counter()
        trainer.fit(train, valid if select else None, verbose=False, saved=select)
        out["seconds_init"], out["seconds_fit"] = built, time.perf_counter() - start
        out["seconds_epoch"] = summary(epochs)
        out["seconds_valid_in_training"] = summary(passes)
        out["train_loss"] = [float(loss) / len(train) for loss in trainer.train_loss_dict.values()]
        if select:
            out["epochs_run"], out["best_epoch"] = len(epochs), len(epochs) - trainer.cur_step
        out["seconds_valid"] = evaluation_seconds(trainer, valid)
        out["seconds_valid_large"] = evaluation_seconds(trainer, large)
        if ARGS.metrics:
            for name, loader in (("valid", valid), ("test", test)):
                out[name] = {k: float(v) for k, v in trainer.evaluate(loader, load_best_model=select).items()}
    out["eval_batch"] = {"default": default_batch, "large": ARGS.large_eval_batch}
    out["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out["torch"], out["threads"], out["load"] = torch.__version__, torch.get_num_threads(), os.getloadavg()
    return out


def main():
    for part in PARTS:
        setattr(ARGS, part, getattr(ARGS, part).resolve())
    # Whatever RecBole prints goes to stderr, so that stdout has the one line.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        out = measure(Path(folder).resolve())
        os.chdir("/")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
