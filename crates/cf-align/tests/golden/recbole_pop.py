"""What RecBole's `Pop` gives on MovieLens 100K, over 20 seeds.

    python recbole_pop.py > recbole_pop.json          (recbole 1.2.1, torch 2.9.0, numpy 1.26)

The data are the copy within the recbole package. The split is one, of seed 2020, the one that real_data.rs judges
on (its digest is in the output); a seed orders the training rows and draws the negatives. The settings are RecBole's
own. "tied" is how many items share the greatest count. The longest list, 50, matters: torch.topk orders equal scores
another way for another length.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

SPLIT_SEED = 2020
SEEDS = [2020] + list(range(1, 20))


def digest(dataset, parts):
    """SHA-256 over the parts' pairs in ascending order of the outside ids."""
    sha = hashlib.sha256()
    for name, part in zip(("train", "valid", "test"), parts):
        feat = part.inter_feat
        users = dataset.id2token("user_id", feat["user_id"].numpy())
        items = dataset.id2token("item_id", feat["item_id"].numpy())
        rows = sorted(zip(users, items), key=lambda pair: (int(pair[0]), int(pair[1])))
        sha.update(f"{name}\n".encode() + "".join(f"{u}\t{i}\n" for u, i in rows).encode())
    return sha.hexdigest()


def main():
    settings = {
        "data_path": os.path.join(os.path.dirname(recbole.__file__), "dataset_example"),
        "checkpoint_dir": tempfile.mkdtemp(), "use_gpu": False, "show_progress": False, "seed": SPLIT_SEED,
        "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user", "order": "RO", "mode": "full"},
        "load_col": {"inter": ["user_id", "item_id"]}, "metrics": ["Recall", "NDCG"], "topk": [10, 20, 50],
        "valid_metric": "NDCG@20", "metric_decimal_place": 6,
    }
    pop = get_model("Pop")
    # RecBole parses the command line, and writes logs beside itself.
    sys.argv = sys.argv[:1]
    os.chdir(settings["checkpoint_dir"])
    config = Config(model=pop, dataset="ml-100k", config_dict=settings)
    init_seed(SPLIT_SEED, True)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    out = {
        "recbole": recbole.__version__,
        "train_batch_size": config["train_batch_size"],
        "positives_a_batch": train.step,
        "batches": len(train),
        "split_sha256": digest(dataset, [loader._dataset for loader in (train, valid, test)]),
        "runs": [],
    }
    for seed in SEEDS:
        init_seed(seed, True)
        train.generator.manual_seed(seed)
        model = pop(config, train._dataset)
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        with contextlib.redirect_stdout(sys.stderr):
            trainer.fit(train, valid, saved=False, show_progress=False)
            result = trainer.evaluate(test, load_best_model=False, show_progress=False)
        counts = model.item_cnt
        tied = int((counts == counts.max()).sum())
        test_metrics = {name: value for name, value in result.items() if not name.endswith("@50")}
        out["runs"].append({"seed": seed, "most": int(counts.max()), "tied": tied, "test": test_metrics})
    json.dump(out, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
