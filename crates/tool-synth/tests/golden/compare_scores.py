"""Holds the score files that `cargo xtask bfcl score` writes to those of the official evaluation.

Made for bfcl-eval 2026.3.23 (Python 3.11, installed without dependencies beside tree_sitter 0.21.3, tree-sitter-java 0.21.0,
tree-sitter-javascript 0.21.4). What the evaluation imports and does not use here is stubbed; models that it does not know are
judged as one that is prompted (names that end in -FC: as one with native calls).

    cargo xtask bfcl score --data VENV --result-dir RESULTS --score-dir OURS
    python compare_scores.py RESULTS OURS

RESULTS holds a folder of results for each of gpt-4.1-2025-04-14 and gpt-4.1-2025-04-14-FC. Every file and line is compared. Lines may
differ in the reason of a decoding failure, which is CPython's own text. Prints counts by kind, and ends with 1 if anything else differs.
"""
import collections
import json
import os
import sys
import tempfile
import types
import warnings
from pathlib import Path

PROMPTED, NATIVE = "gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14-FC"
REASONED = ("Invalid syntax. Failed to decode AST. ", "Invalid syntax. Failed to decode AST when it should have. ")
CATEGORIES = ["single_turn", "multi_turn", "format_sensitivity"]


def stub(name, **attributes):
    module = types.ModuleType(name)
    module.__getattr__ = lambda missing: type("Stub" + missing, (Exception,), {})
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module


def percentile(values, share):
    values = sorted(values)
    place = share / 100 * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


class Handler:
    def __init__(self, is_fc_model, **_):
        self.is_fc_model = is_fc_model


def model(name, native, shown):
    return types.SimpleNamespace(
        model_name=name, display_name=shown, url="https://openai.com/index/gpt-4-1/", org="OpenAI", license="Proprietary",
        input_price=2, output_price=8, is_fc_model=native, underscore_to_dot=native, model_handler=Handler,
    )


def official(results, scores):
    """Runs the official evaluation."""
    warnings.simplefilter("ignore")
    os.environ["BFCL_PROJECT_ROOT"] = tempfile.mkdtemp()
    stub("numpy", percentile=percentile)
    stub("tqdm", tqdm=lambda values, **_: values)
    stub("dotenv", load_dotenv=lambda **_: None)
    for name in ("pandas", "openai", "openai.types", "openai.types.responses"):
        stub(name)
    stub("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING={
        PROMPTED: model(PROMPTED, False, "GPT-4.1-2025-04-14 (Prompt)"),
        NATIVE: model(NATIVE, True, "GPT-4.1-2025-04-14 (FC)"),
    })
    from bfcl_eval.eval_checker import eval_runner
    from bfcl_eval.model_handler.api_inference.openai_completion import OpenAICompletionsHandler

    Handler.decode_ast = OpenAICompletionsHandler.decode_ast
    Handler.decode_execute = OpenAICompletionsHandler.decode_execute
    eval_runner.main(None, CATEGORIES, str(results), str(scores))


def without_reason(text):
    for head in REASONED:
        if isinstance(text, str) and text.startswith(head):
            return head
    return text


def difference(theirs, ours):
    """What kind of difference two lines show; none if only a reason differs."""
    theirs, ours = json.loads(theirs), json.loads(ours)
    for row in (theirs, ours):
        if isinstance(row.get("error"), list):
            row["error"] = [without_reason(text) for text in row["error"]]
    if json.dumps(theirs) == json.dumps(ours):
        return None
    return next((key for key in [*theirs, *ours] if theirs.get(key) != ours.get(key)), "order of members")


def main():
    results, ours = map(Path, sys.argv[1:3])
    theirs = Path(tempfile.mkdtemp())
    official(results.resolve(), theirs)
    files = {folder: {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} for folder in (theirs, ours)}
    counts = collections.Counter()
    wrong = [f"{name}: only one side has it" for name in files[theirs] ^ files[ours]]
    for name in sorted(files[theirs] & files[ours]):
        left, right = ((folder / name).read_text().split("\n") for folder in (theirs, ours))
        if len(left) != len(right):
            wrong.append(f"{name}: {len(left)} lines and {len(right)}")
        for number, (a, b) in enumerate(zip(left, right), 1):
            counts["lines"] += 1
            if a == b:
                counts["equal to the byte"] += 1
            elif name.endswith(".csv"):
                wrong.append(f"{name}, line {number}")
            elif kind := difference(a, b):
                wrong.append(f"{name}, line {number}: {kind}")
            else:
                counts["but for the reason of a decoding failure"] += 1
    print(f"files {len(files[theirs] & files[ours])}, " + ", ".join(f"{key} {value}" for key, value in counts.items()))
    for line in wrong[:40]:
        print(line)
    print(f"differences {len(wrong)}")
    sys.exit(bool(wrong))


main()
