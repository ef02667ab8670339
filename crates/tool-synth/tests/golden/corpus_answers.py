"""What `make_corpus.py` asks about: values and calls that a model might come up with, right or with faults, and entries for them.

Python 3.11, standard library alone; everything comes from the generator `r` (a `random.Random`) that a function is given.

Calls are `[name, [[parameter, value], …]]`. A value is Python data, or `Written` source text that is put in as it is.
"""
import copy
import json
import unicodedata

WORDS = "anchor basalt cobalt dune ember fjord glacier hollow inlet juniper kelp lagoon marsh nectar orchard prairie quarry reef".split()
PHRASES = [
    "Lima", "São Luís", "Port-au-Prince", "St. John's", "Baden, AG", "10/12/2031", "a_b", "it's", 'say "hi"', "C:\\new", "x" * 70, " pad ",
    "tab\there", "two\nlines", "\u6771\u4eac", "\u00df\u017f\u0130\u212a\u03a3\u03c2", "\U0001f99c", "e\u0301", "\u2019", "100%", "{x}", "<a&b>", "#no",
    "None", "true", "7", "-1.50", "1e5", "[1, 2]", "(a)", "f(x=1)", "\u0663", "\xa0", "\u2028", "a\rb", "\x0c", "\x85",
]
HUGE = [2**31, -(2**63), 2**53 + 1, 10**22, 10**23, 10**40 + 1, int("123456789" * 12)]
REALS = [0.1, -0.0, 1.0, 1e16, 1e22, 123456789.125, 5e-324, 1.7976931348623157e308, -2.5e-7, float("inf")]
PYTHON_TYPES = ["string", "integer", "float", "boolean", "array", "tuple", "dict", "any"]
JAVA_TYPES = [
    "byte", "short", "integer", "float", "double", "long", "boolean", "char", "Array", "ArrayList", "HashMap", "String", "any",
    "Set", "Hashtable", "Queue", "Stack",
]
JAVASCRIPT_TYPES = ["String", "integer", "float", "Bigint", "Boolean", "dict", "array", "any"]
TYPES = {"python": PYTHON_TYPES, "java": JAVA_TYPES, "javascript": JAVASCRIPT_TYPES}


class Written(str):
    """Source text of an argument."""


def some(r, options):
    """One of the options; those that are functions are called with `r`, so that only the chosen one does its work."""
    option = r.choice(options)
    return option(r) if callable(option) else option


# Values


def typed(kind, r, item=None, depth=0):
    """A value of a type of any of the languages."""
    if kind in ("integer", "byte", "short", "long", "Bigint"):
        return r.choice([r.randrange(-3, 4), r.randrange(10**6), -r.randrange(100), r.choice(HUGE)])
    if kind in ("float", "double", "number"):
        return r.choice([r.randrange(-9, 9) / 2, round(r.uniform(-99, 99), 4), r.choice(REALS)])
    if kind in ("boolean", "Boolean"):
        return r.random() < 0.5
    if kind == "char":
        return r.choice("aZ0'\"\\ ,\u00e9")
    if kind in ("array", "tuple", "Array", "ArrayList", "Queue", "Stack", "Set"):
        item = item or r.choice(["string", "integer", "float"])
        return [] if depth > 2 else [typed(item, r, None, depth + 1) for _ in range(r.randrange(4))]
    if kind in ("dict", "HashMap", "Hashtable", "object"):
        keys = r.sample(WORDS, r.randrange(4)) if depth < 3 else []
        return {key: typed(r.choice(PYTHON_TYPES), r, None, depth + 1) for key in keys}
    return some(r, [WORDS[r.randrange(len(WORDS))], f"{r.choice(WORDS)} {r.choice(WORDS)}", r.choice(PHRASES)])


def anything(r, depth=0):
    """A value of any type, tuples, sets of nothing, bytes and complex numbers too."""
    odd = [None, True, False, 0, 1, "", [], {}, (), [""], [None], {"": ""}, b"ab", 2j, r.choice(HUGE), r.choice(REALS), r.choice(PHRASES)]
    if depth > 1 or r.random() < 0.5:
        return r.choice(odd)
    inner = [anything(r, depth + 1) for _ in range(r.randrange(1, 4))]
    return some(r, [inner, tuple(inner), {r.choice(WORDS): value for value in inner}, {1: inner[0], None: 2, (1, "a"): 3}, [inner]])


def plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def near_text(text, r):
    at = r.randrange(len(text) + 1)
    put = lambda characters: lambda r: text[:at] + r.choice(characters) + text[at:]
    return some(r, [
        text.swapcase(), text.upper(), text.casefold(), text.strip(), text + " ", "\n" + text, text[:-1], text[::-1], text * 2, "", len(text),
        put(" ,./-_*^"), put(" ,./-_*^"), put("\t\n;:!?()+~`|\u00a0\u2013\u2019\u0301\u200d"), put("'\""), text.replace("'", '"'),
        text.replace(" ", r.choice("_-")),
        unicodedata.normalize("NFD", text), [text], (text,), [[text]], {"value": text}, {text: 1}, None, text.encode(), list(text), repr(text),
        json.dumps(text),
        Written(text), text.split(), text.replace("a", "\u0430"), text == "", r.choice(PHRASES),
    ])


def near_number(number, r):
    def converted(kind):
        try:
            return kind(number)
        except (OverflowError, ValueError):
            return 0
    return some(r, [
        lambda r: -number, lambda r: number + 1, lambda r: number * 10, lambda r: converted(float), lambda r: converted(float),
        lambda r: converted(int),
        lambda r: converted(float) * (1 + 2**-52), str(number), f" {number} ", bool(number), [number], (number,), {"value": number}, None,
        r.choice(HUGE), r.choice(REALS),
        lambda r: complex(converted(float), 0.0), lambda r: complex(0.0, 1.0), lambda r: converted(float) + 0.5, "",
    ])


def near_list(items, r):
    items = list(items)
    at = r.randrange(len(items) + 1)
    less = items[:at] + items[at + 1:]
    other = lambda r: items[:at] + [near(item, r) for item in items[at:at + 1]] + items[at + 1:]
    return some(r, [
        other, other, other, other, less, items[:at] + [anything(r)] + items[at:], items + items[:1], items[::-1], sorted(items, key=repr),
        tuple(items), tuple(less),
        [items], [], [[]], str(items), items[0] if items else None, None, dict(enumerate(items)), [near(item, r) for item in items],
        [(item,) for item in items], [str(item) for item in items],
    ])


def near_dict(members, r):
    keys = list(members)
    if not keys:
        return r.choice([{"more": 1}, [], None, "{}", [{}], {"": ""}, {None: None}])
    key = r.choice(keys)
    others = {name: value for name, value in members.items() if name != key}
    other = lambda r: {name: near(value, r) if name == key else value for name, value in members.items()}
    return some(r, [
        other, other, other, others, {**members, r.choice(WORDS): anything(r)}, {**others, str(key).upper(): members[key]},
        {**others, key: members[key]}, {**members, key: [members[key]]},
        {**members, key: ""}, {**members, key: None}, [members], [], {}, list(members.items()), (members,), str(members), json.dumps(plain(members)),
        None, members[key], {**others, 1: members[key]},
    ])


def near(value, r):
    """A value like another one."""
    if isinstance(value, Written) or r.random() < 0.06:
        return anything(r)
    if isinstance(value, bool):
        return r.choice([not value, int(value), float(value), str(value), str(value).lower(), Written(str(value).lower()), None, [value], "yes", ""])
    if isinstance(value, str):
        return near_text(value, r)
    if isinstance(value, (int, float)):
        return near_number(value, r)
    if isinstance(value, (list, tuple)):
        return near_list(value, r)
    if isinstance(value, dict):
        return near_dict(value, r)
    return r.choice(["None", "null", "", 0, False, [], Written("null"), Written("undefined")])


# Calls


def settled(form, r):
    """One of the values that an allowed form stands for: members of dictionaries are lists of alternatives."""
    if isinstance(form, dict):
        found = {}
        for key, forms in form.items():
            plain = [one for one in forms if one != ""] if isinstance(forms, list) else [forms]
            if plain and not (isinstance(forms, list) and "" in forms and r.random() < 0.5):
                found[key] = settled(r.choice(plain), r)
        return found
    return [settled(item, r) for item in form] if isinstance(form, list) else form


def expected(truth, r):
    """Calls that the expected ones allow."""
    calls = []
    for call in truth:
        ((name, parameters),) = call.items()
        arguments = []
        for parameter, forms in parameters.items():
            forms = forms if isinstance(forms, list) else [forms]
            plain = [form for form in forms if form != ""]
            if plain and not ("" in forms and r.random() < 0.5):
                arguments.append([parameter, settled(r.choice(plain), r)])
        calls.append([name, arguments])
    return calls


def completed(calls, functions, r):
    """Calls with values for some parameters more, of their types, whatever is expected."""
    types = {(function["name"], key): one for function in functions for key, one in function["parameters"]["properties"].items()}
    for name, arguments in calls:
        given = {parameter for parameter, _ in arguments}
        for (function, parameter), documented in types.items():
            if function == name and parameter not in given and r.random() < 0.4:
                arguments.append([parameter, typed(documented.get("type"), r, documented.get("items", {}).get("type"))])
    return calls


def faulty(calls, functions, names, r):
    """Calls with one fault more: in a value (two times of three), a parameter, a name or the list of calls."""
    calls = copy.deepcopy(calls)
    if not calls:
        return [[r.choice(names), []]]
    at = r.randrange(len(calls))
    name, arguments = calls[at]
    kind = r.randrange(36)
    # Lists and dictionaries are rare, and have more to be checked.
    places = [r.randrange(len(arguments)) for _ in range(3)] if arguments else [None]
    place = next((place for place in places if isinstance(arguments[place][1], (list, dict))), places[0]) if arguments else None
    if place is not None and kind < 24:
        arguments[place][1] = near(arguments[place][1], r)
    elif kind < 26:
        documented = [function for function in functions if function["name"] == name]
        properties = documented[0]["parameters"]["properties"] if documented else {}
        parameter = r.choice([*properties] or WORDS)
        arguments.append([parameter, r.choice([anything(r), typed(properties.get(parameter, {}).get("type"), r)])])
    elif kind == 26:
        arguments.insert(r.randrange(len(arguments) + 1), [r.choice(WORDS), anything(r)])
    elif kind == 27:
        calls.insert(at, copy.deepcopy(calls[at]))
    elif kind == 28:
        calls.pop(at)
    elif kind == 29:
        r.shuffle(calls)
    elif kind == 30:
        calls[at][0] = some(r, [
            name.replace(".", "_"), name.replace("_", "."), name.split(".")[-1], name + "." + name, name.capitalize(), r.choice(names), "",
            "self." + name,
        ])
    elif kind == 31:
        calls.append([r.choice(names), [[r.choice(WORDS), anything(r)]]])
    elif place is None:
        r.shuffle(calls)
    elif kind == 32:
        arguments.pop(place)
    elif kind == 33:
        r.shuffle(arguments)
    elif kind == 34:
        parameter = arguments[place][0]
        arguments[place][0] = r.choice([
            parameter.upper(), parameter + "s", "_" + parameter, parameter[::-1], "lambda", "\u00b5", "\ufb01t", parameter.replace("_", ""),
        ])
    else:
        arguments.append(copy.deepcopy(arguments[place]))
    return calls


# Entries


def mended(value):
    """Data as they come back from a JSON file, which has neither tuples nor infinities that other readers know."""
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return 1e300
    if isinstance(value, (list, tuple)):
        return [mended(one) for one in value]
    if isinstance(value, dict):
        return {str(key): mended(one) for key, one in value.items()}
    if isinstance(value, str):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float)) else repr(value)


def alternatives(value, r):
    """A value as an allowed form: members of dictionaries become lists of alternatives, mostly."""
    if isinstance(value, dict):
        return {key: [alternatives(one, r)] + r.choice([[], [], [""], [None]]) if r.random() < 0.9 else one for key, one in value.items()}
    return [alternatives(one, r) for one in value] if isinstance(value, (list, tuple)) else value


def forms(documented, r):
    """What may be allowed for a parameter."""
    item = documented.get("items", {}).get("type")
    good = [alternatives(typed(documented.get("type"), r, item), r) for _ in range(r.choice([1, 1, 1, 2, 3]))]
    odd = r.random()
    if odd < 0.08:
        good.insert(r.randrange(len(good) + 1), alternatives(anything(r), r))
    elif odd < 0.14:
        good = r.choice([
            [""], [""], [""], [""], [], 3, None, ["", ""], [[]], [{}], [[{}]], [[""]], [None], [[1], "x"], ["name"], [["a"], {}], [{"a": "abc"}],
            [{"a": 5}], [[["a"]]],
        ])
    if isinstance(good, list) and r.random() < 0.3:
        good.insert(r.randrange(len(good) + 1), "")
    return mended(good)


def made_up(language, r):
    """Functions and expected calls that nobody has thought out: `(functions, truth)`."""
    functions, truth = [], []
    for number in range(r.choice([1, 1, 2, 3])):
        name = r.choice([f"{r.choice(WORDS)}_{number}", f"{r.choice(WORDS)}.{r.choice(WORDS)}{number}", f"a.b_c.d{number}"])
        properties = {}
        for parameter in r.sample(WORDS, r.choice([0, 1, 1, 2, 2, 3, 5])):
            kinds = TYPES[language] + (["dict", "array"] if language == "python" else [])
            documented = {"type": r.choice(kinds) if r.random() < 0.95 else r.choice([
                "number", "object", "Any", "String", "string", "list", "Array", "null",
            ])}
            if documented["type"] in ("array", "tuple", "Array", "ArrayList") and r.random() < 0.97:
                documented["items"] = {"type": r.choice(kinds)} if r.random() < 0.96 else r.choice([{}, {"type": "number"}])
            if r.random() < 0.1:
                documented.update(default=1, enum=["a"], properties={})
            properties[parameter] = documented if r.random() < 0.99 else {"description": "typeless"}
        required = [parameter for parameter in properties if r.random() < 0.5] + (["elsewhere"] if r.random() < 0.02 else [])
        parameters = {"type": "dict", "properties": properties, "required": required}
        if r.random() < 0.02:
            del parameters["required"]
        functions.append({"name": name, "parameters": parameters})
        allowed = {parameter: forms(documented, r) for parameter, documented in properties.items() if r.random() < 0.95}
        if r.random() < 0.03:
            allowed["unheard_of"] = [1]
        truth.append({name: allowed})
    if r.random() < 0.4:
        truth = [copy.deepcopy(r.choice(truth)) for _ in range(r.choice([0, 1, 2, 3, 3, 9]))]
    elif r.random() < 0.5:
        truth = truth[:1]
    return (functions if r.random() < 0.98 else functions[1:] + functions[:1]), truth


def other_truth(truth, functions, r):
    """Expected calls with other allowed values, parameters or names, and functions with other types."""
    truth, functions = copy.deepcopy(truth), copy.deepcopy(functions)
    ((name, allowed),) = r.choice(truth).items()
    parameter = r.choice(list(allowed)) if allowed else None
    properties = {key: one for function in functions for key, one in function["parameters"]["properties"].items()}
    kind = r.randrange(11)
    if kind == 0:
        r.choice(functions)["parameters"]["required"] = r.sample(list(properties), min(len(properties), 2))
    elif kind == 1:
        truth.append(copy.deepcopy(r.choice(truth)))
    elif kind == 2:
        r.shuffle(truth)
    elif parameter is None:
        truth.append({name: {}})
    elif kind == 3:
        del allowed[parameter]
    elif kind == 4 and parameter in properties:
        properties[parameter]["type"] = r.choice(PYTHON_TYPES)
        properties[parameter].setdefault("items", {"type": r.choice(PYTHON_TYPES)})
    elif kind == 5:
        allowed[parameter] = r.choice([[], [""], None, [None], [[]], [{}], 0])
    elif kind == 6 and isinstance(allowed[parameter], list):
        allowed[parameter].insert(r.randrange(len(allowed[parameter]) + 1), "")
    elif kind == 7:
        allowed[parameter] = forms(properties.get(parameter, {}), r)
    elif isinstance(allowed[parameter], list):
        allowed[parameter] = mended([near(form, r) if form != "" and r.random() < 0.7 else form for form in allowed[parameter]])
    return functions, truth
