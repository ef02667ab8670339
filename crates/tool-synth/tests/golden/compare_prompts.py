"""Holds the prompts of `cargo xtask bfcl prompt` to the official ones.

Made for bfcl-eval 2026.3.23, in the environment of `compare_scores.py` with the package's own dependencies.

    cargo xtask bfcl prompt --data VENV simple_python --json simple_python.json
    python compare_prompts.py simple_python.json …

A file is named by its category. Prints prompts and differences by category, and ends with 1 if there is one.
"""
import copy
import json
import sys
from pathlib import Path

from bfcl_eval.model_handler.utils import system_prompt_pre_processing_chat_model
from bfcl_eval.utils import load_dataset_entry

differences = 0
for path in map(Path, sys.argv[1:]):
    entries = {entry["id"]: entry for entry in load_dataset_entry(path.stem, include_prereq=False)}
    ours = json.loads(path.read_text())
    wrong = []
    for row in ours:
        entry = copy.deepcopy(entries[row["id"]])
        turns = entry["question"]
        turns[0] = system_prompt_pre_processing_chat_model(turns[0], entry["function"], row["id"])
        if row["turns"] != turns:
            wrong.append(row["id"])
    print(path.stem, "prompts", len(ours), "differences", len(wrong), *wrong[:3])
    differences += len(wrong)
sys.exit(differences > 0)
