#!/usr/bin/env python3
"""Cases per second of the official BFCL checker (package bfcl-eval) on a corpus of its verdicts.

  python bfcl.py CORPUS.jsonl.gz ROUNDS

Calls the package's own functions for one entry, decoding and checking, on every case, one core, processor time without start
and loading; of the rounds the fastest counts. Imports that the checker does not need (numpy, pandas, clients of model
providers) are replaced if they are not there. Prints {group: cases per second} as JSON.
"""
import collections
import gzip
import importlib.util
import json
import os
import sys
import tempfile
import time
import types
import warnings

warnings.simplefilter("ignore")
os.environ.setdefault("BFCL_PROJECT_ROOT", tempfile.mkdtemp())


class Config:
    def __init__(self, underscores):
        self.underscore_to_dot = underscores


def replace(name, **members):
    module = types.ModuleType(name)
    module.__getattr__ = lambda member: type(member, (Exception,), {})
    for member, value in members.items():
        setattr(module, member, value)
    sys.modules[name] = module


for name in ("numpy", "pandas", "dotenv", "tqdm", "openai", "openai.types", "openai.types.responses"):
    base = name.split(".")[0]
    if base in sys.modules or importlib.util.find_spec(base) is None:
        replace(name)
# The registry imports the clients of all providers; corpora name two models.
replace("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING={"prompt": Config(False), "fc": Config(True)})

from bfcl_eval.constants.enums import Language, ReturnFormat  # noqa: E402
from bfcl_eval.eval_checker import eval_runner  # noqa: E402
from bfcl_eval.model_handler.api_inference.openai_completion import OpenAICompletionsHandler  # noqa: E402
from bfcl_eval.model_handler.utils import default_decode_ast_prompting  # noqa: E402


class Prompted:
    def decode_ast(self, result, language, has_tool_call_tag):
        return default_decode_ast_prompting(result, language, has_tool_call_tag)


class Native:
    is_fc_model = True
    decode_ast = OpenAICompletionsHandler.decode_ast


def value(encoded):
    """A value from the corpus's lossless form."""
    if isinstance(encoded, list):
        return [value(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    ((kind, inner),) = encoded.items()
    return {
        "i": int,
        "f": float,
        "c": lambda parts: complex(float(parts[0]), float(parts[1])),
        "b": bytes.fromhex,
        "t": lambda items: tuple(value(item) for item in items),
        "s": lambda items: {value(json.loads(item)) for item in items},
        "d": lambda members: {value(key): value(member) for key, member in members},
    }[kind](inner)


def group(case):
    if case["path"] == "fc":
        return "native"
    form = case.get("ret", "python")
    return form if form in ("python", "java", "javascript") else "other formats"


def main():
    entries, cases = {}, []
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["kind"] == "entry":
                record["ground_truth"] = value(record["ground_truth"])
                entries[record["id"]] = record
            elif record["kind"] == "case":
                cases.append(record)
    languages = {"simple_java": Language.JAVA, "simple_javascript": Language.JAVASCRIPT}
    handlers = {True: Native(), False: Prompted()}
    best = collections.defaultdict(lambda: float("inf"))
    counts = collections.Counter()
    for case in cases:
        counts[group(case)] += 1
        counts["all"] += 1
    for _ in range(int(sys.argv[2])):
        spent = collections.Counter()
        for case in cases:
            native = case["path"] == "fc"
            answer = [{name: text} for name, text in case["raw"]] if native else case["raw"]
            entry = entries.get(case.get("entry"))
            language = languages.get(case["cat"], Language.PYTHON)
            form = ReturnFormat(case.get("ret", "python"))
            start = time.process_time()
            try:
                if case["path"] == "rel":
                    eval_runner._evaluate_single_relevance_entry(
                        handlers[native], "x", answer, {}, case["model"], case["cat"]
                    )
                else:
                    eval_runner._evaluate_single_ast_entry(
                        handlers[native], case["entry"], answer, entry["ground_truth"], {"function": entry["function"]},
                        case["model"], case["cat"], language, form, case["tag"],
                    )
            except Exception:  # an exception is a verdict too
                pass
            spent[group(case)] += time.process_time() - start
        spent["all"] = sum(spent.values())
        for name, seconds in spent.items():
            best[name] = min(best[name], seconds)
    json.dump({name: counts[name] / seconds for name, seconds in best.items()}, sys.stdout)


main()
