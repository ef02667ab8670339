"""The official package as `make_corpus.py` asks it, and the file of records that is made of what it says.

Made for bfcl-eval 2026.3.23; importing this starts the interpreter once more, with a fixed seed of hashes.
"""
import ast
import collections
import contextlib
import gzip
import io
import json
import os
import random
import sys
import tempfile
import time
import types
import warnings

# Sets are printed in the order of hashes.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
os.environ["TZ"] = "UTC"
time.tzset()
warnings.simplefilter("ignore")
os.environ.setdefault("BFCL_PROJECT_ROOT", tempfile.mkdtemp())


def stub(name, **members):
    module = types.ModuleType(name)
    module.__getattr__ = lambda missing: type(missing, (Exception,), {})
    vars(module).update(members)
    sys.modules[name] = module


for name in ("numpy", "pandas", "dotenv", "tqdm", "openai", "openai.types", "openai.types.responses"):
    stub(name)
# The registry of models would import the client of every vendor. Two are asked: one prompted, one that calls natively.
settings = {name: types.SimpleNamespace(underscore_to_dot=name == "fc") for name in ("prompt", "fc")}
stub("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING=settings)

from bfcl_eval.constants.enums import Language, ReturnFormat  # noqa: E402
from bfcl_eval.eval_checker import eval_runner  # noqa: E402
from bfcl_eval.model_handler.api_inference.openai_completion import OpenAICompletionsHandler  # noqa: E402
from bfcl_eval.model_handler.utils import default_decode_ast_prompting, default_decode_execute_prompting  # noqa: E402

LANGUAGES = {"simple_java": Language.JAVA, "simple_javascript": Language.JAVASCRIPT}


class Prompted:
    def decode_ast(self, result, language, has_tool_call_tag):
        return default_decode_ast_prompting(result, language, has_tool_call_tag)

    def decode_execute(self, result, has_tool_call_tag):
        return default_decode_execute_prompting(result, has_tool_call_tag)


class Native:
    is_fc_model = True
    decode_ast = OpenAICompletionsHandler.decode_ast


class Excluded(Exception):
    """A case that a corpus cannot hold, or that is documented not to be modelled."""


@contextlib.contextmanager
def long_integers():
    """Lets integers be written whose decimal form is beyond what Python converts by itself."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def encode(value):
    """The lossless form of a value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # JSON text that is UTF-8 cannot hold a lone surrogate.
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Excluded("lone surrogate")
        return value
    if isinstance(value, int):
        with long_integers():
            return {"i": str(value)}
    if isinstance(value, float):
        return {"f": repr(value)}
    if isinstance(value, complex):
        return {"c": [repr(value.real), repr(value.imag)]}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, list):
        return [encode(one) for one in value]
    if isinstance(value, tuple):
        return {"t": [encode(one) for one in value]}
    if isinstance(value, (set, frozenset)):
        return {"s": sorted(json.dumps(encode(one)) for one in value)}
    if isinstance(value, dict):
        return {"d": [[encode(key), encode(one)] for key, one in value.items()]}
    raise Excluded(f"a value of type {type(value).__name__}")


# What the checker here takes for a failure within a binary operation (`docs/src/bfcl.md`). The official decoder evaluates it inside its own module,
# where names mean what they happen to mean there.
NOT_FOLDED = (
    ast.Name, ast.Call, ast.JoinedStr, ast.Slice, ast.Starred, ast.Is, ast.IsNot, ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom,
    ast.comprehension,
)


def is_text(node):
    return any(isinstance(inner, ast.Constant) and isinstance(inner.value, (str, bytes)) for inner in ast.walk(node))


def is_folded(operation):
    """Whether a binary operation is one that the checker here computes: neither one of the above, nor `%` that formats text."""
    for node in ast.walk(operation):
        if isinstance(node, NOT_FOLDED) or isinstance(node, ast.Dict) and None in node.keys:
            return False
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and is_text(node.left):
            return False
    return True


def leans_on_module(text):
    """Whether Python text has a binary operation that the checker here does not compute."""
    stripped = text.strip("`\n ").strip("'")
    for candidate in (stripped, f"[{stripped}", f"{stripped}]", f"[{stripped}]"):
        try:
            nodes = ast.walk(ast.parse(candidate.strip().strip("'"), mode="eval"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if any(isinstance(node, ast.BinOp) and not is_folded(node) for node in nodes):
            return True
    return False


class Corpus:
    """The file that is written, and counts of what is in it."""

    def __init__(self, path, seed):
        self.raw = open(path, "wb")
        self.file = gzip.GzipFile("", "wb", 9, self.raw, mtime=0)
        self.seed = seed
        self.known = set()
        self.records = collections.Counter()
        self.verdicts = collections.defaultdict(collections.Counter)
        self.errors = collections.Counter()
        self.excluded = collections.Counter()
        self.write({"kind": "meta", "seed": seed, "package": "bfcl-eval 2026.3.23"})

    def random(self, *place):
        """The generator of a place, so that what is made there hangs on nothing made before."""
        return random.Random("/".join(map(str, (self.seed, *place))))

    def write(self, record):
        try:
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            raise Excluded("lone surrogate") from None
        self.file.write(line + b"\n")
        self.records[record["kind"]] += 1

    def close(self):
        self.file.close()
        self.raw.close()

    def tally(self, group, record, verdict, error):
        self.verdicts[group][verdict] += 1
        self.errors[error or ("valid" if verdict == "valid" else "raise " + record["exc"])] += 1

    def case(self, path, entry, raw, ret="python", tag=False, category=None):
        """Asks for an answer's decoding and verdict, and records them. `path`: `ast` (text), `fc` (native), `fmt` (a prompt variation), `rel`."""
        category = category or entry["cat"]
        try:
            self.write_case(path, entry, raw, ret, tag, category)
        except Excluded as why:
            self.excluded[str(why)] += 1

    def write_case(self, path, entry, raw, ret, tag, category):
        model = "fc" if path == "fc" else "prompt"
        handler = Native() if path == "fc" else Prompted()
        result = [{name: text} for name, text in raw] if path == "fc" else raw
        language = ReturnFormat(ret)
        record = {"kind": "case", "path": path, "cat": category, "model": model, "tag": tag, "raw": raw}
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                decoded = handler.decode_ast(result, language, tag)
                record["dec"] = {"v": encode(decoded)}
            except Excluded:
                raise
            except Exception as error:
                record["dec"] = {"exc": type(error).__name__}
            inner = raw.partition("<TOOLCALL>")[2].partition("</TOOLCALL>")[0] if tag else raw
            if ret == "python" and path != "fc" and "v" in record["dec"] and leans_on_module(inner):
                raise Excluded("an operation that is not computed")
            try:
                if path == "rel":
                    verdict = eval_runner._evaluate_single_relevance_entry(handler, "", result, {}, model, category)
                else:
                    record.update(entry=entry["id"], ret=ret)
                    verdict = eval_runner._evaluate_single_ast_entry(
                        handler, entry["id"], result, entry["ground_truth"], {"function": entry["function"]}, model, category,
                        LANGUAGES.get(category, Language.PYTHON), language, tag,
                    )
                record["out"] = "valid" if verdict["valid"] else "invalid"
                record.update({} if verdict["valid"] else {"err": verdict["error_type"]})
            except Exception as error:
                record.update(out="raise", exc=type(error).__name__)
        if path != "rel" and entry["id"] not in self.known:
            self.write({"kind": "entry", **entry, "ground_truth": encode(entry["ground_truth"])})
            self.known.add(entry["id"])
        self.write(record)
        group = {"ast": "", "fc": " native", "fmt": f" {ret}", "rel": ""}[path]
        self.tally(category + group, record, record["out"], record.get("err"))


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
