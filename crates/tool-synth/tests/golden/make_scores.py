"""Makes the files of tests/data/score: a package of our own entries, outputs of two models, and the official score files for them.

    python make_scores.py

Made with bfcl-eval 2026.3.23 (Python 3.11, installed without dependencies beside tree_sitter 0.21.3, tree-sitter-java 0.21.0,
tree-sitter-javascript 0.21.4). A copy of the package gets our entries for its data and judges them; nothing of its own data, and no
sentence of its prompts, is kept: the hint that it adds to descriptions is replaced by ours. Reasons of decoding failures, which are
CPython's, are left out.
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE.parent / "data" / "score"
PROMPTED, NATIVE = "example-prompted", "example-native"
OUR_HINT = " In Python."
REASON = re.compile(r"(Invalid syntax\. Failed to decode AST(?: when it should have)?\.) .*")


def function(name, required, **properties):
    parameters = {"type": "dict", "properties": properties, "required": required}
    return {"name": name, "description": f"Does {name}.", "parameters": parameters}


def typed(kind, item=None):
    spec = {"type": kind, "description": f"A {kind}."}
    return {**spec, "items": {"type": item}} if item else spec


AREA = function("shape.area", ["side"], side=typed("integer"), unit=typed("string"), exact=typed("boolean"))
MIX = function("paint.mix", ["colours"], colours=typed("array", "string"), shares=typed("array", "float"), label=typed("dict"))
TURN = function("turn", ["angle"], angle=typed("float"))
JAVA = function("Lamp.dim", ["level"], level=typed("integer"), rooms=typed("ArrayList", "String"), slow=typed("boolean"))
SCRIPT = function("dimLamp", ["level"], level=typed("float"), rooms=typed("array", "String"), how=typed("dict"))

# By category: functions, expected calls, the prompted model's answer, the native one's calls.
ENTRIES = {
    "simple_python": [
        ([AREA], [{"shape.area": {"side": [3], "unit": ["cm", ""], "exact": ["", True]}}], "[shape.area(side=3)]", [("shape_area", {"side": 3})]),
        ([AREA], [{"shape.area": {"side": [4], "unit": ["cm"], "exact": [""]}}], "shape.area(side=4.0, unit='CM.')", [("shape_area", {"side": 4})]),
        ([AREA], [{"shape.area": {"side": [5], "unit": ["", "m"]}}], "[shape.area(side=5, depth=1)]", [("shape.area", {"side": 5})]),
        ([MIX], [{"paint.mix": {"colours": [["red", "Dark Blue"]], "shares": [[0.5, 0.5], ""], "label": [{"name": ["a", ""]}, ""]}}],
         "[paint.mix(colours=['RED', 'dark_blue'], label={'name': 'A'})]", [("paint_mix", {"colours": ["red"], "shares": [1]})]),
        ([TURN], [{"turn": {"angle": [90.0, "right"]}}], "I would turn(angle=90", [("turn", {"angle": "right"})]),
    ],
    "multiple": [
        ([AREA, TURN], [{"turn": {"angle": [45.0]}}], "[turn(angle=45)]", [("turn", {"angle": 45})]),
        ([TURN, AREA], [{"shape.area": {"side": [1], "unit": ["mm", "millimetre"]}}], "[turn(angle=1.5)]", [("shape_area", {"side": 1, "unit": "m"})]),
    ],
    "parallel": [
        ([TURN], [{"turn": {"angle": [1.0]}}, {"turn": {"angle": [2.0]}}], "[turn(angle=2), turn(angle=1)]", [("turn", {"angle": 1})]),
        ([TURN], [{"turn": {"angle": [3.0]}}, {"turn": {"angle": [4.0]}}], "[turn(angle=3), turn(angle=5)]", [("turn", {"angle": 3}), ("turn", {"angle": 4})]),
    ],
    "live_simple": [
        ([TURN], [{"turn": {"angle": [10.0]}}], "(1, 2)", [("turn", {"angle": 10.0})]),
        ([TURN], [{"turn": {"angle": [11.0]}}], "[turn(angle=11.0)]", []),
    ],
    "simple_java": [
        ([JAVA], [{"Lamp.dim": {"level": [3], "rooms": [["hall", "den"]], "slow": ["", True]}}],
         "[Lamp.dim(level=3, rooms=new ArrayList<>(Arrays.asList(\"hall\", \"den\")))]", [("Lamp_dim", {"level": "3", "rooms": "new ArrayList<>()"})]),
        ([JAVA], [{"Lamp.dim": {"level": [4], "rooms": ["", []], "slow": [False]}}], "[Lamp.dim(level=\"4\", slow=false)]", [("Lamp_dim", {"level": 4})]),
    ],
    "simple_javascript": [
        ([SCRIPT], [{"dimLamp": {"level": [0.5], "rooms": [["hall"]], "how": [{"fast": [True]}, ""]}}],
         "[dimLamp(level=0.5, rooms=['hall'], how={fast: true})]", [("dimLamp", {"level": "0.5", "rooms": "['den']"})]),
        ([SCRIPT], [{"dimLamp": {"level": [1.0], "rooms": ["", []]}}], "[dimLamp(level=1.0, rooms=[)]", [("dimLamp", {"level": "1.0"})]),
    ],
    "irrelevance": [([TURN], None, "I cannot do that.", None), ([AREA], None, "[shape.area(side=1)]", None)],
    "live_relevance": [([TURN], None, "[turn(angle=1)]", None), ([TURN], None, "turn it", None)],
}
VARIED = "simple_python_1"


def group(category):
    return "format_sensitivity" if category == "format_sensitivity" else "live" if "live" in category else "non_live"


def variations():
    forms = {
        "python": "[shape.area(side=4, unit='cm')]",
        "json": '[{"function": "shape.area", "parameters": {"side": 4, "unit": "cm"}}]',
        "verbose_xml": '<functions><function name="shape.area"><params><param name="side" value="4" type="integer"/>'
        '<param name="unit" value="mm" type="string"/></params></function></functions>',
        "concise_xml": '<functions><function name="shape.area"><param name="side" type="integer">4</param>'
        '<param name="unit" type="string">cm</param></function></functions>',
    }
    plain = "&prompt_fmt=plaintext&style=classic"
    for form, text in forms.items():
        for tag in ("True", "False"):
            for documents in ("python", "xml", "json"):
                tagged = tag == "True" and documents != "xml"
                yield f"ret_fmt={form}&tool_call_tag={tag}&func_doc_fmt={documents}{plain}", f"<TOOLCALL>{text}</TOOLCALL>" if tagged else text
    for rest in ("markdown&style=classic", "plaintext&style=experimental"):
        yield f"ret_fmt=python&tool_call_tag=False&func_doc_fmt=json&prompt_fmt={rest}", forms["python"]


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_package():
    data = OUT / "bfcl_eval" / "data"
    for category, entries in ENTRIES.items():
        questions, truths = [], []
        for number, (functions, truth, _, _) in enumerate(entries):
            name = f"{category}_{number}"
            asked = {"role": "user", "content": f"Entry {number} of {category}."}
            questions.append({"id": name, "question": [[asked]], "function": functions})
            truths.append({"id": name, "ground_truth": truth})
        put(data / f"BFCL_v4_{category}.json", questions)
        if entries[0][1] is not None:
            put(data / "possible_answer" / f"BFCL_v4_{category}.json", truths)
    # The tables ask how many entries there are in the others.
    for category in ("parallel_multiple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance"):
        put(data / f"BFCL_v4_{category}.json", [])
    listed = {category: [VARIED] if VARIED.startswith(category) else [] for category in ENTRIES}
    (data / "BFCL_v4_format_sensitivity.json").write_text(json.dumps(listed))
    constants = OUT / "bfcl_eval" / "constants"
    constants.mkdir(parents=True, exist_ok=True)
    models = "".join(
        f'    "{name}": ModelConfig(\n        model_name="{name}",\n        display_name="{shown}",\n        url="https://example.org",\n'
        f'        org="Example",\n        license="None",\n        model_handler=Handler,\n        input_price=2,\n        output_price=8,\n'
        f"        is_fc_model={native},\n        underscore_to_dot={native},\n    ),\n"
        for name, shown, native in ((PROMPTED, "Example (Prompt)", False), (NATIVE, "Example (FC)", True))
    )
    (constants / "model_config.py").write_text("example_model_map = {\n" + models + "}\n")
    (OUT / "bfcl_eval" / "utils.py").write_text(f'def _get_language_specific_hint(test_category):\n    return "{OUR_HINT}"\n')


def write_results():
    tokens = {"input_token_count": 100, "output_token_count": 10, "latency": 0.5}
    for category, entries in ENTRIES.items():
        texts = [{"id": f"{category}_{at}", "result": entry[2], **tokens} for at, entry in enumerate(entries)]
        put(OUT / "result" / PROMPTED / group(category) / f"BFCL_v4_{category}_result.json", texts[::-1])
        if entries[0][3] is not None:
            calls = [[{name: json.dumps(arguments)} for name, arguments in entry[3]] for entry in entries]
            rows = [{"id": f"{category}_{at}", "result": result, **tokens} for at, result in enumerate(calls)]
            put(OUT / "result" / NATIVE / group(category) / f"BFCL_v4_{category}_result.json", rows)
    rows = [
        {"id": f"format_sensitivity_{at}:{configuration}:{VARIED}", "result": text, **tokens}
        for at, (configuration, text) in enumerate(variations())
    ]
    put(OUT / "result" / PROMPTED / "format_sensitivity" / "BFCL_v4_format_sensitivity_result.json", rows)


# Run in a process of its own, in which the copy is the package.
OFFICIAL = """
import os, sys, tempfile, types, warnings
warnings.simplefilter("ignore")
os.environ["BFCL_PROJECT_ROOT"] = tempfile.mkdtemp()
copy, results, scores, prompted, native = sys.argv[1:]
sys.path.insert(0, copy)
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
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (place - low)
stub("numpy", percentile=percentile)
stub("tqdm", tqdm=lambda values, **_: values)
stub("dotenv", load_dotenv=lambda **_: None)
for name in ("pandas", "openai", "openai.types", "openai.types.responses"):
    stub(name)
class Handler:
    def __init__(self, is_fc_model, **_):
        self.is_fc_model = is_fc_model
def model(name, calls, shown):
    return types.SimpleNamespace(model_name=name, display_name=shown, url="https://example.org", org="Example", license="None",
        input_price=2, output_price=8, is_fc_model=calls, underscore_to_dot=calls, model_handler=Handler)
stub("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING={
    prompted: model(prompted, False, "Example (Prompt)"), native: model(native, True, "Example (FC)")})
from bfcl_eval.eval_checker import eval_runner
from bfcl_eval.model_handler.api_inference.openai_completion import OpenAICompletionsHandler
assert eval_runner.__file__.startswith(copy)
Handler.decode_ast = OpenAICompletionsHandler.decode_ast
eval_runner.main(None, ["CATEGORIES"], results, scores)
"""


def official_scores():
    import bfcl_eval

    source = Path(bfcl_eval.__file__).parent
    utils = (source / "utils.py").read_text()
    # The last of a sentence for each language is that for Python.
    hint = re.findall(r'return "( [^"]*)"', utils.split("def _get_language_specific_hint")[1].split("\ndef ")[0])[-1]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bfcl_eval"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in copy.glob("data/**/BFCL_v4_*.json"):
            path.write_text("")
        shutil.copytree(OUT / "bfcl_eval" / "data", copy / "data", dirs_exist_ok=True)
        scores = Path(folder) / "score"
        scores.mkdir()
        categories = '", "'.join([*ENTRIES, "format_sensitivity"])
        script = OFFICIAL.replace("CATEGORIES", categories)
        subprocess.run([sys.executable, "-c", script, folder, str(OUT / "result"), str(scores), PROMPTED, NATIVE], check=True)
        for path in scores.rglob("*"):
            if path.is_file():
                text = path.read_text().replace(hint, OUR_HINT)
                lines = [line if path.suffix == ".csv" else without_reason(line) for line in text.splitlines()]
                target = OUT / "score" / path.relative_to(scores)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text("".join(line + "\n" for line in lines))


def without_reason(line):
    row = json.loads(line)
    if isinstance(row.get("error"), list):
        row["error"] = [REASON.sub(r"\1", text) if isinstance(text, str) else text for text in row["error"]]
    return json.dumps(row)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    write_package()
    write_results()
    official_scores()


main()
