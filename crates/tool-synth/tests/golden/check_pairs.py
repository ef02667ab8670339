"""Checks that the official BFCL checker accepts every exported pair on its own answer.

Made for bfcl-eval 2026.3.23 (Python 3.11, installed without dependencies beside tree_sitter 0.21.3, tree-sitter-java 0.21.0,
tree-sitter-javascript 0.21.4). What the checker imports and does not use here is stubbed.

    python check_pairs.py runs/dialogues/bfcl

Prints accepted and refused pairs by category, and ends with 1 if one is refused.
"""
import json
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock


class Stub(types.ModuleType):
    def __getattr__(self, name):
        return MagicMock()


# The registry of models would import the client of every vendor.
for name in ("bfcl_eval.constants.model_config",):
    stub = Stub(name)
    stub.MODEL_CONFIG_MAPPING = {"own": types.SimpleNamespace(underscore_to_dot=False)}
    sys.modules[name] = stub

from bfcl_eval.constants.enums import Language, ReturnFormat  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # noqa: E402
from bfcl_eval.model_handler.utils import default_decode_ast_prompting  # noqa: E402


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


folder = Path(sys.argv[1])
refused = 0
for category in ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance"):
    name = f"BFCL_v4_{category}.json"
    questions, own = rows(folder / name), rows(folder / "own_answer" / name)
    answers = {row["id"]: row["ground_truth"] for row in rows(folder / "possible_answer" / name)}
    good = bad = 0
    for question, answer in zip(questions, own, strict=True):
        assert question["id"] == answer["id"]
        try:
            decoded = default_decode_ast_prompting(answer["result"], ReturnFormat.PYTHON)
        except Exception as error:  # noqa: BLE001 - whatever the decoder raises is a refusal
            decoded = error
        if category == "irrelevance":
            valid = isinstance(decoded, Exception) or not decoded
            verdict = decoded
        elif isinstance(decoded, Exception):
            valid, verdict = False, decoded
        else:
            verdict = ast_checker(
                question["function"], decoded, answers[question["id"]], Language.PYTHON, category, "own"
            )
            valid = verdict["valid"]
        good, bad = good + valid, bad + (not valid)
        if not valid and bad <= 3:
            print(question["id"], verdict, answer["result"])
    print(f"{category}: {good} accepted, {bad} refused")
    refused += bad
sys.exit(refused > 0)
