#!/usr/bin/env python3
"""Writes the measured tables into README.md, the pages of docs/src that have slots and crates/cf-align/README.md.

Every JSON file in this folder is what a `cargo xtask … --json` printed; a slot `<!-- results:NAME -->` is followed by the table
made from NAME.json (or NAME-*.json), up to `<!-- /results -->`. Run it after a JSON file changed; it needs nothing but Python. With `--check`
nothing is written, and the exit status says whether a page would change.
"""
import argparse, glob, json, pathlib, re, sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLUMNS = ["recall@10", "recall@20", "recall@50", "ndcg@10", "ndcg@20", "ndcg@50", "mrr@10", "hit@10", "precision@10"]
SHORT = {"recall": "R", "ndcg": "N", "mrr": "MRR", "hit": "HR", "precision": "P"}


def number(value, digits=4):
    return f"{value:.{digits}f}".lstrip("0") if abs(value) < 1 else f"{value:.{digits}f}"


def cell(metric):
    if not metric:
        return "-"
    if len(metric["runs"]) < 2:
        return number(metric["mean"])
    return f"{number(metric['mean'])} ± {number(metric['std'])}"


def seconds(value):
    return "-" if value is None else (f"{value:.0f}" if value >= 10 else f"{value:.2g}")


def models(files):
    return [m for f in files for m in json.loads(pathlib.Path(f).read_text())["models"]]


def count(number, thing):
    return f"{number} {thing}" + ("" if number == 1 else "s")


def machine(files):
    found = json.loads(pathlib.Path(files[0]).read_text()).get("machine") or {}
    name = found.get("cpu") or found.get("model") or "unknown processor"
    return f"{name}, {count(found.get('cores') or found.get('threads'), 'core')}"


def leaderboard(files):
    """Accuracy beside what is recommended: coverage, and how popular and how alike the items are."""
    columns = ["hit@10", "hit@20", "ndcg@10", "ndcg@20", "mrr@20", "coverage@20", "popularity@20", "diversity@20"]
    names = ["hit@10", "hit@20", "NDCG@10", "NDCG@20", "MRR@20", "coverage@20", "popularity@20", "diversity@20"]
    lines = ["| model | " + " | ".join(names) + " | fit, s | peak MiB | runs |", "|" + "---|" * (len(names) + 4)]
    for m in sorted(models(files), key=lambda m: -m["metrics"]["ndcg@20"]["mean"]):
        told = lambda c: f"{m['metrics'][c]['mean']:.0f}" if c.startswith("popularity") else cell(m["metrics"].get(c))
        row = [f"`{m['name']}`"] + [told(c) for c in columns]
        row += [seconds(m["seconds"]["fit"]), f"{m['peak_rss_mib']:.0f}", "1, deterministic" if m.get("deterministic") else str(len(m["metrics"]["ndcg@20"]["runs"]))]
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", f"Mean ± sample deviation over seeds; times are medians on {machine(files)}, shared with other work."]
    return "\n".join(lines)


def comparison(files, columns):
    columns = [c for c in columns if any(c in m["metrics"] for m in models(files))]
    head = ["model"] + [SHORT[c.split("@")[0]] + "@" + c.split("@")[1] for c in columns] + ["s/epoch", "fit, s", "peak MiB", "runs"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for m in models(files):
        runs = "1, deterministic" if m.get("deterministic") else str(len(next(iter(m["metrics"].values()))["runs"]))
        row = [m["name"]] + [cell(m["metrics"].get(c)) for c in columns]
        row += [seconds(m["seconds"].get("epoch_median")), seconds(m["seconds"]["fit"]), f"{m['peak_rss_mib']:.0f}", runs]
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", f"Mean ± sample deviation over seeds; times are medians on {machine(files)}."]
    return "\n".join(lines)


def measures(files):
    """Alignment, uniformity and lengths of the kept vectors, of every model that has them."""
    head = ["data", "critical gamma", "model", "trained and ranked by", "alignment", "uniformity, users", "items", "length with popularity", "N@20", "popularity@20"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for f in files:
        value = json.loads(pathlib.Path(f).read_text())
        for m in value["models"]:
            if not m.get("measures"):
                continue
            loss = m["config"]["loss"]
            gamma = loss["directau"]["gamma"] if "directau" in loss else None
            setting = ([f"gamma {gamma:g}"] if gamma is not None else []) + [f"rate {m['config']['training']['learning_rate']:g}"]
            setting.append({"dot": "inner product", "cosine": "**cosine**"}[m["config"]["scoring"]])
            own = m["measures"]
            row = [value["data"]["name"], f"{value['split']['critical_gamma']:.3f}", m["name"], ", ".join(setting), f"{own['overall_alignment']['mean']:.2f}",
                   f"{own['overall_uniformity_user']['mean']:.2f}", f"{own['overall_uniformity_item']['mean']:.2f}", f"{own['item_length_popularity']['mean']:+.2f}",
                   cell(m["metrics"]["ndcg@20"]), f"{m['metrics']['popularity@20']['mean']:.0f}"]
            lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def bench(files):
    lines = ["| data | case | side | median, s | theirs / ours | peak MiB, theirs / ours |", "|---|---|---|---|---|---|"]
    for f in files:
        value = json.loads(pathlib.Path(f).read_text())
        data = value["data"]["name"] if isinstance(value.get("data"), dict) else value.get("data")
        for case in value["cases"]:
            where = "generated" if case.get("generated") else data
            for name, own in case["ours"]["seconds"].items():
                lines.append(f"| {where} | {case['name']} | ours, {name} | {own['median']:.4g} | | |")
            for peer in case["peers"]:
                memory = ""
                if case.get("peer_peak_rss_mib"):
                    memory = f"{case['peer_peak_rss_mib']:.0f} / {case['peak_rss_mib']:.0f}"
                lines.append(f"| {where} | {case['name']} | {peer['name']} | {peer['median']:.4g} | {peer['ratio']:.2f} | {memory} |")
            for name, both in case.get("quality", {}).items():
                measure, _, metric = name.partition(" ")
                told = f"{measure} {metric.upper()}: ours {number(both['ours'])}" + (f", theirs {number(both['theirs'])}" if both.get("theirs") else "")
                lines.append(f"| {where} | {case['name']} | {told} | | | |")
    return "\n".join(lines)


def policies(files):
    """The table of `cargo xtask policies`: free browsing with its interval, the two tests without repeats, what was spread."""
    head = ["policy", "reward", "± 95 %", "length", "per turn", "NX_0 reward", "NX_0 length", "NX_10 reward", "coverage", "diversity", "novelty", "published reward / length", "steps/s", "runs"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for f in files:
        value = json.loads(pathlib.Path(f).read_text())
        for p in value["policies"]:
            m = p["metrics"]
            two = lambda name: f"{m[name]['mean']:.2f}" if name in m else "-"
            three = lambda name: f"{m[name]['mean']:.3f}" if name in m else "-"
            reward = m["fb_cumulative_reward"]
            published = (p.get("published") or {}).get("fb")
            told = f"{published[0]:.2f} / {published[1]:.2f}" if published else "-"
            speed = p.get("steps_per_second")
            row = [p["name"], f"{reward['mean']:.2f} ± {reward['std']:.2f}", f"{reward['ci95']:.2f}" if reward.get("ci95") else "-",
                   two("fb_length"), three("fb_average_reward"), two("nx0_cumulative_reward"), two("nx0_length"), two("nx_cumulative_reward"),
                   three("fb_coverage"), three("fb_diversity"), two("fb_novelty"), told, f"{speed:,.0f}" if speed else "-", str(len(reward["runs"]))]
            lines.append("| " + " | ".join(row) + " |")
    value = json.loads(pathlib.Path(files[0]).read_text())
    lines += ["", f"Means over the last quarter of {value['epochs']} epochs, then mean ± sample deviation over seeds; {machine(files)}, two runs at a time, one thread each."]
    return "\n".join(lines)


PREFERENCES = [("ndcg@5", "NDCG@5", 4), ("hit@5", "HR@5", 4), ("div-ratio@1", "DivRatio@1", 3), ("div-ratio@5", "@5", 3), ("or-ratio@1", "ORRatio@1", 3), ("or-ratio@5", "@5", 3),
               ("mgu@1", "MGU@1", 4), ("mgu@5", "@5", 4), ("dgu@1", "DGU@1", 3), ("dgu@5", "@5", 3), ("popularity@1", "popularity@1", 1)]


def preferences(files):
    """The tables of `cargo xtask preferences`: arms at the end, rounds, theory beside measurement, what was asked beforehand."""
    values = [json.loads(pathlib.Path(f).read_text()) for f in files]
    arms = [a for v in values for a in v["arms"] if a["metrics"]]
    # Files of one slot may differ in the learning rate of preference stages: then it is part of the name, and SFT stands once.
    rate = lambda a: ((a["rounds"].get("preference") or {}).get("stage") or {}).get("learning_rate")
    rates = {rate(a) for a in arms} - {None}
    if len(rates) > 1:
        first = [a["name"] for a in values[0]["arms"]]
        arms = [a for at, v in enumerate(values) for a in v["arms"] if a["metrics"] and (at == 0 or rate(a) or a["name"] not in first)]
    title = lambda a: (a["name"].upper() + " " + a["about"] + (f", beta {a['beta']:g}" if a["beta"] else "")
                       + (f", rate {rate(a):g}" if len(rates) > 1 and rate(a) else ""))
    told = lambda m, digits: "-" if m is None else number(m["mean"], digits) + (f" ± {number(m['std'], digits)}" if len(m["runs"]) > 1 else "")
    lines = ["| arm | " + " | ".join(head for _, head, _ in PREFERENCES) + " | seeds |", "|" + "---|" * (len(PREFERENCES) + 2)]
    for a in arms:
        row = [title(a)] + [told(a["metrics"].get(metric), digits) for metric, _, digits in PREFERENCES]
        lines.append("| " + " | ".join(row + [str(len(a["seeds"]))]) + " |")
    experiment, data = values[0]["experiment"], values[0]["data"]
    titles = experiment["profile"]["kind"] == "titles"
    profile = f"titles of {experiment['profile']['vocab_size']:,} BPE tokens, searched in their trie (none is invalid); " if titles else ""
    lines += ["", f"{experiment['data']}: {data['users']:,} users, {data['items']:,} items, {data['windows']:,} windows; {profile}{experiment['rounds']} rounds of {experiment['rows']:,} rows, "
              f"preference stages at a learning rate of {' or '.join(f'{r:g}' for r in sorted(rates))}. Mean ± sample deviation over seeds; {machine(files)}."]
    curves = [a for a in arms if len(a["by_round"].get("or-ratio@1", [])) > 1 and a["name"] in "bcfgh" and a["beta"] in (None, experiment["betas"][0])]
    if curves:
        rounds = max(len(a["by_round"]["or-ratio@1"]) for a in curves)
        lines += ["", "| ORRatio@1 (NDCG@5) by round | " + " | ".join(map(str, range(rounds))) + " |", "|" + "---|" * (rounds + 1)]
        for a in curves:
            pairs = zip(a["by_round"]["or-ratio@1"], a["by_round"]["ndcg@5"])
            lines.append("| " + title(a) + " | " + " | ".join(f"{number(o[0], 3)} ({number(n[0])})" for o, n in pairs) + " |")
    theory = [a for a in arms if a["theory"]]
    if theory:
        lines += ["", "| uniform negatives | top-3 share before | optimum | measured | slope | 1/beta | sharpening | 1 + 1/beta |", "|" + "---|" * 8]
        for a in theory:
            t = a["theory"]
            row = [title(a)] + [told(t.get(name), 3) for name in ("top3_start", "top3_predicted", "top3_measured")]
            row += [told(t.get("slope"), 2), f"{1 / a['beta']:g}", told(t.get("sharpening"), 2), f"{1 + 1 / a['beta']:g}"]
            lines.append("| " + " | ".join(row) + " |")
    asked = [i for v in values for i in v["inequalities"]] if len(rates) < 2 else []
    if asked:
        lines += ["", "| beta | asked beforehand | left | right | |", "|---|---|---|---|---|"]
        lines += [f"| {i['beta']:g} | {i['asked']} | {i['measured'][0]:.4f} | {i['measured'][1]:.4f} | {'met' if i['met'] else '**not met**'} |" for i in asked]
    return "\n".join(lines)


def agents(files):
    """The table of `cargo xtask agents run`: baselines and systems of one task, one metric a column."""
    value = json.loads(pathlib.Path(files[0]).read_text())["agents"]
    shown = {"rating": ["rmse", "mae", "within 0.5", "within 1"], "ranking": ["hr@1", "hr@3", "ndcg@3", "ndcg@5", "mrr@10"],
             "explanation": ["grounded", "claims", "words", "distinct-1", "distinct-2"]}[value["task"]]
    head = ["system"] + [name.upper() if "@" in name or name in ("rmse", "mae") else name for name in shown] + ["valid", "retried", "tool calls", "p"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    mean = lambda values: sum(values) / len(values)
    for row in value["systems"]:
        reports = row["reports"]
        cells = []
        for at, name in enumerate(shown):
            found = [r["metrics"][name] for r in reports]
            half = max((m["interval"]["high"] - m["interval"]["low"]) / 2 for m in found)
            text = number(mean([m["value"] for m in found]), 3)
            cells.append(f"{text} ± {number(half, 3)}" if at == 0 else text)
        if row["baseline"]:
            cells += ["", "", ""]
        else:
            cells += [f"{100 * mean([r['valid'] for r in reports]):.0f}%", f"{mean([r['retried'] for r in reports]):.0f}",
                      f"{mean([r['tool_calls'] for r in reports]):.1f}"]
        p = row["p_value"]
        cells.append("" if p is None else ("< .001" if p < 0.001 else number(p, 3)))
        name = f"*{row['name']}*" if row["baseline"] else f"`{row['name']}`"
        lines.append("| " + " | ".join([name] + cells) + " |")
    data = value["data"]
    seeds = ", ".join(map(str, value["seeds"]))
    seeds = f"seed {seeds}" if len(value["seeds"]) == 1 else f"means over seeds {seeds}"
    lines += ["", f"{data['samples']} samples of {data['name']}, {data['candidates']} candidates ({data['negatives']} negatives), {seeds}; "
              f"decisions by {value['model']}. ± is half a 95% bootstrap interval over samples; p against the whole team, randomisation test, Holm. "
              f"The true ratings have mean {value['truth']['mean']:.2f} and deviation {value['truth']['deviation']:.2f}."]
    return "\n".join(lines)


TOOLS = [("pass_t1", "pass T1", 100, 1), ("pass_t2", "T2", 100, 1), ("pass_t3", "T3", 100, 1), ("pass_tu", "TU", 100, 1), ("pass_all", "all", 100, 1),
         ("sampled_all", "pass T=1", 100, 1), ("tool_success", "tool success", 100, 1), ("recall", "recall", 100, 1), ("redundant", "redundant", 100, 1),
         ("finish", "finish", 100, 1), ("pass_given_finish", "pass given finish", 100, 1), ("steps", "steps (all)", 1, 1), ("steps_solved", "steps (solved)", 1, 1),
         ("train_calls", "env calls", 1, 0), ("minutes", "minutes", 1, 1), ("auc", "area T3", 100, 1)]
REFERENCES = {"ablations": (["steptool-gated"], ["ppo-return-to-go"]), "offline": (["sft"], []), "quirks": (["steptool-paper"], ["steptool-released", "steptool-gated"])}


def tool_told(metric, factor, digits):
    if not metric:
        return "-"
    deviation = f" ± {factor * metric['std']:.{digits}f}" if len(metric["runs"]) > 1 else ""
    return f"{factor * metric['mean']:.{digits}f}{deviation}"


def tool_rows(files, which):
    """One table of `cargo xtask tool-rl`: methods, ablations, offline or quirks."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    rows = {row["name"]: row for row in value["method_rows"] if row["seeds"]}
    own = [name for name, row in rows.items() if row["table"] == which]
    if not own:
        return "*No run of this table is finished yet.*"
    first, last = REFERENCES.get(which, ([], []))
    names = [name for name in first + own + last if name in rows]
    about = which != "methods"
    lines = ["| method | lr | " + " | ".join(head for _, head, _, _ in TOOLS) + " | seeds |" + (" what it is |" if about else ""),
             "|" + "---|" * (len(TOOLS) + 3 + about)]
    for name in names:
        row = rows[name]
        cells = [f"`{name}`", f"{row['rate']:g}" if row["rate"] else "-"]
        cells += [tool_told(row["metrics"].get(metric), factor, digits) for metric, _, factor, digits in TOOLS] + [str(len(row["seeds"]))]
        lines.append("| " + " | ".join(cells + ([row["about"]] if about else [])) + " |")
    if which == "methods":
        setup = value["experiment"]["setup"]
        passed = value["demonstrations_passed"]
        lines += ["", f"{setup['layers']} layers of width {setup['width']}; {setup['demonstrations']:,} demonstrations, of which {100 * sum(passed) / len(passed):.1f} % pass, {setup['passes']} times; "
                  f"{setup['iterations']} iterations of {setup['tasks']} tasks x {setup['group']} episodes; {setup['test_tasks']} test tasks a tier, greedy unless T=1 is said. "
                  f"Percent, mean ± sample deviation over seeds; minutes of processor time, one thread, on {machine(files)}, shared with other work."]
    return "\n".join(lines)


def tool_claim(files):
    """The differences that the claim rests on, and the claim."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    lines = ["| `steptool-gated` less | tasks | points | 95 % | seeds | claim needs it |", "|---|---|---|---|---|---|"]
    for d in value["differences"]:
        half = f"± {100 * d['half']:.1f}" if d["half"] is not None else "-"
        tasks = {"pass_t3": "T3", "pass_all": "all"}[d["metric"]]
        lines.append(f"| `{d['minus']}`, {d['role']} | {tasks} | {100 * d['values']['mean']:+.1f} | {half} | {len(d['values']['runs'])} | {'yes' if d['needed'] else ''} |")
    return "\n".join(lines + ["", value["claim"]])


def tool_grid(files):
    """The learning rates that were tried."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    rates = sorted({t["rate"] for t in value["grid"]})
    chosen = dict(value["chosen"])
    lines = ["| validation, all (T3) | " + " | ".join(f"{r:g}" for r in rates) + " | chosen |", "|" + "---|" * (len(rates) + 2)]
    for name in dict.fromkeys(t["row"] for t in value["grid"]):
        row = [f"`{name}`"]
        for rate in rates:
            own = next((t for t in value["grid"] if t["row"] == name and t["rate"] == rate), None)
            told = own and own["pass_all"] and f"{100 * own['pass_all']['mean']:.1f} ± {100 * own['pass_all']['std']:.1f} ({100 * own['pass_t3']['mean']:.1f})"
            row.append((told or "-") + (f", {own['failed']} failed" if own and own["failed"] else ""))
        rate = chosen.get(name)
        edge = rate is not None and rate in (rates[0], rates[-1])
        lines.append("| " + " | ".join(row + [(f"{rate:g}" if rate else "-") + (", on the edge" if edge else "")]) + " |")
    seeds = value["experiment"]["grid"]["seeds"]
    lines += ["", f"{len(value['grid'])} settings, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}, which no table uses; greedy, percent of the validation tasks."]
    return "\n".join(lines)


def tool_calibration(files):
    """How noisy experts were tried to be."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    lines = ["| care T1, T2, T3, TU | experts pass | sampled T1 | T2 | T3 | TU | greedy T1 | T2 | T3 | TU | as wanted |", "|" + "---|" * 11]
    for own in value["calibration"]:
        row = [", ".join(f"{c:g}" for c in own["careful"]), tool_told(own["demonstrations_passed"], 100, 1)]
        row += [tool_told(own[kind].get(tier), 100, 1) for kind in ("sampled", "greedy") for tier in ("t1", "t2", "t3", "tu")]
        row.append(", ".join({True: "yes", False: "no", None: "-"}[fits] for fits in own["fits"]))
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def tool_dialogues(files):
    """Training from dialogues of tool-synth."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    lines = ["| held-out requests | number | untrained | supervised | then by replay | training requests, supervised | by replay |", "|" + "---|" * 7]
    for row in value["dialogue_rows"]:
        cells = [row["group"], str(row["held_out"])] + [tool_told(row[k], 100, 1) for k in ("untrained", "supervised", "replay", "training_supervised", "training_replay")]
        lines.append("| " + " | ".join(cells) + " |")
    e = value["experiment"]
    lines += ["", f"{e['dialogues']:,} dialogues over {e['apis']} tools, {value['training']:,} requests to learn from, {value['left_out']} left out; a vocabulary of {value['tokens']:,} tokens, "
              f"{e['shape'][1]} layers of width {e['shape'][0]}, {e['passes']} passes, then {e['iterations']} iterations of {e['tasks']} x {e['group']} episodes of `{e['method']}`. Percent, greedy, {count(len(value['runs']), 'seed')}; {machine(files)}."]
    return "\n".join(lines)


def inline(name, model):
    """One model's recall@20 and NDCG@20, for a row of somebody else's table."""
    for m in models(sorted(glob.glob(str(HERE / f"{name}.json")) + glob.glob(str(HERE / f"{name}-[0-9]*.json")))):
        if m["name"] == model:
            return f"{cell(m['metrics']['recall@20'])}, {cell(m['metrics']['ndcg@20'])}"
    return None


def tool_ablations(files):
    """What training sets of synthetic dialogues teach: `cargo xtask run tool-synth-ablations`."""
    value = json.loads(pathlib.Path(files[0]).read_text())
    shown = [("overall", "overall"), ("single", "one call"), ("tool", "its tool"), ("arguments", "arguments, given the tool"), ("parallel", "several calls"),
             ("several_tools", "their tools"), ("irrelevance", "irrelevance"), ("relevance", "relevance")]
    head = ["question", "dialogues to learn from"] + [heading for _, heading in shown] + ["overall less whole", "tools called", "mean H"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in value["ablation_rows"]:
        cells = [row["question"], f"`{row['name']}`: {row['about']}"] + [tool_told(row["metrics"].get(name), 100, 1) for name, _ in shown]
        cells += [tool_told(row["less_whole"], 100, 1), f"{row['composition']['tools_called']['mean']:,.0f}", f"{row['composition']['complexity']['mean']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    e = value["experiment"]
    seconds = sum(sum(row["seconds"]["runs"]) for row in value["ablation_rows"])
    lines += ["", f"{e['dialogues']:,} dialogues each, {e['held_out']:,} held out over tools that no training set has; {e['shape'][1]} layers of width {e['shape'][0]}, {e['passes']} passes. "
              f"Percent ± deviation over {len(e['seeds'])} seeds; \"less whole\" is paired by seed. {seconds / 60:.0f} processor minutes of training and judging; {machine(files)}."]
    return "\n".join(lines)


def table(slot, page):
    name, _, model = slot.removeprefix("results:").partition(":")
    if name.startswith("tool-rl"):
        files = glob.glob(str(HERE / f"{name}.json"))
        if not files:
            return None
        kinds = {"claim": tool_claim, "grid": tool_grid, "calibration": tool_calibration, "dialogues": tool_dialogues}
        return kinds[model](files) if model in kinds else tool_rows(files, model or "methods")
    if model:
        return inline(name, model)
    files = sorted(glob.glob(str(HERE / f"{name}.json")) + glob.glob(str(HERE / f"{name}-[0-9]*.json")))
    if not files:
        return None
    if "ablation_rows" in json.loads(pathlib.Path(files[0]).read_text()):
        return tool_ablations(files)
    if "inequalities" in json.loads(pathlib.Path(files[0]).read_text()):
        return preferences(files)
    if "agents" in json.loads(pathlib.Path(files[0]).read_text()):
        return agents(files[:1])
    if "policies" in json.loads(pathlib.Path(files[0]).read_text()):
        return policies(files)
    if "cases" in json.loads(pathlib.Path(files[0]).read_text()):
        return bench(files)
    if name == "leaderboard":
        return leaderboard(files)
    if name == "measures":
        return measures([str(HERE / f"{data}.json") for data in ("quickstart", "ml-100k", "beauty")] + files)
    few = ["recall@20", "ndcg@20"]
    return comparison(files, COLUMNS if page == "results.md" else few)


PAGES = ["README.md", "docs/src/results.md", "docs/src/leaderboard.md", "docs/src/policies.md", "docs/src/preferences.md", "docs/src/agents.md", "docs/src/tool-rl.md",
         "docs/src/tool-synthesis.md", "docs/src/directau.md", "crates/cf-align/README.md"]
arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--check", action="store_true", help="write nothing; fail if a page would change")
arguments = arguments.parse_args()
stale = []
for page in (ROOT / path for path in PAGES):
    text = page.read_text()

    def fill(match):
        made = table(match[1], page.name)
        if made is None:
            return match[0]
        gap = "\n\n" if "\n" in made else " "
        return f"<!-- {match[1]} -->{gap}{made}{gap}<!-- /results -->"

    filled = re.sub(r"<!-- (results:[\w.:-]+) -->(?:\s(?:(?!<!-- results:).)*?<!-- /results -->)?", fill, text, flags=re.S)
    if filled != text:
        stale.append(page.relative_to(ROOT))
        if not arguments.check:
            page.write_text(filled)
if stale:
    print("stale:" if arguments.check else "written:", *stale)
sys.exit(1 if arguments.check and stale else 0)
