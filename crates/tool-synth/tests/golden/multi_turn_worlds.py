#!/usr/bin/env python3
"""Call sequences with odd arguments on made-up scenarios, and the results of the official simulated APIs.

Needs the wheel bfcl-eval==2026.3.23 (without its dependencies) and mpmath. No benchmark row is used.

  TZ=UTC python multi_turn_worlds.py SEED SEQUENCES > worlds.jsonl
"""
import copy, importlib, inspect, json, random, re, sys

import bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils as U
from bfcl_eval.constants.executable_backend_config import CLASS_FILE_PATH_MAPPING

SCENARIOS = {
    "GorillaFileSystem": [{}, {"root": {"home": {"type": "directory", "contents": {
        "a.txt": {"type": "file", "content": "one two\nthree\n\nfour é\u2028five\r\nsix"}, "b.txt": {"type": "file", "content": "one two\nTHREE\nx"},
        ".hidden": {"type": "file", "content": ""}, "d": {"type": "directory", "contents": {"e": {"type": "directory", "contents": {}}, "f.py": {"type": "file", "content": "x" * 3000}}},
        "empty": {"type": "directory", "contents": {}}}}}}],
    "MathAPI": [{}],
    "MessageAPI": [{}, {"current_user": "USR001", "random_seed": 7, "user_map": {"Ann": "USR001", "Ben": "USR006"}, "user_count": 5, "inbox": [{"USR006": "Hello Ben"}, {"USR001": "a"}, {"USR006": "Hello Ben"}]}],
    "TwitterAPI": [{}, {"authenticated": True, "username": "zoe", "password": "p", "tweets": {"0": {"id": 0, "username": "zoe", "content": "Big News", "tags": ["#A"], "mentions": []}}, "tweet_counter": 1, "following_list": ["x"]}],
    "TicketAPI": [{}, {"current_user": "kim", "ticket_counter": 3, "ticket_queue": [{"id": 1, "title": "t", "description": "", "status": "Open", "priority": 2, "created_by": "kim"}, {"id": 2, "title": "u", "description": "d", "status": "Closed", "priority": 5, "created_by": "lee"}]}],
    "TradingBot": [{}, {"authenticated": True, "market_status": "Open", "orders": {"5": {"id": 5, "order_type": "Buy", "symbol": "AAPL", "price": 1.5, "amount": 2, "status": "Open"}}, "order_counter": 6, "transaction_history": [{"type": "deposit", "amount": 1, "timestamp": "2024-08-30 10:00:00"}]}],
    "TravelAPI": [{}, {"access_token": "tok", "token_expires_in": 2, "user_first_name": "Ida", "user_last_name": "Lund", "random_seed": 12345678901234567890, "credit_card_list": {"c1": {"balance": 5000.0}, "c2": {"balance": 10}, "c3": {}}, "booking_record": {"b1": {"card_id": "c1", "travel_date": "2024-01-01", "travel_from": "SFO", "travel_to": "LAX", "travel_class": "first", "travel_cost": 10.0, "transaction_id": "1"}}}, {"token_expires_in": 0}],
    "VehicleControlAPI": [{}, {"doorStatus": {"driver": "locked", "passenger": "locked", "rear_left": "locked", "rear_right": "locked"}, "engineState": "running", "fuelLevel": 10.5}],
}
GOOD = {
    "folder": ["d", "e", "..", ".", "/", "../", "home", "empty", "a/b", ""], "dir_name": ["d", "new", "empty", "a.txt", "n/x", "g h"], "file_name": ["a.txt", "b.txt", "new.txt", "d", ".hidden", "zz", "x?", "f.py", "."],
    "file_name1": ["a.txt", "b.txt", "d"], "file_name2": ["b.txt", "a.txt", "zz"], "source": ["a.txt", "d", "empty", "b.txt", "zz"], "destination": ["empty", "d", "c.txt", "b.txt", "x/y", "Rivermist"],
    "path": [".", "d", "/", "d/e", "zz", "/d", "", None], "name": [None, "a", "e", "txt", "Apple", "Ann"], "mode": ["l", "w", "c", "x", "on", "off", "auto", "engage", "release", "cool"], "pattern": ["one", "e", "", "é"], "lines": [1, 2, 0, -1, 100, True], "content": ["hi", "a (b)", "x\ny", "see sort (it) now", "It's \"q\"", "post_tweet(x)", "tab\\nls(1)"],
    "numbers": [[1, 2, 3], [1.5, 2, True], [10**40, 1, 0.5], [], [0.1] * 10, "ab", [1, "a"], [2j, 1], (3, 4), {1: 2, 3: 4}, [float("1e308"), 1e308], [[1], [2]], ["b", "a"]],
    "unit_in": ["km", "m", "cm", "mm", "um", "nm", "celsius", "fahrenheit", "kg", "ft", "q"], "unit_out": ["km", "m", "cm", "nm", "celsius", "fahrenheit", "lb", "ft", "miles"], "precision": [1, 5, 10, 30, 50, 0, -1, True, "5", 2.0, None],
    "decimal_places": [0, 1, 2, -1, -2, 5, None, 400, -400], "exponent": [2, 0.5, -1, 0, 3, 1j, -2.5], "value": [10, 2.5, "8", 100, 0, 1, -5, 1e-5, 10**25, 0.1],
    "user": ["Alice", "Ann", "nobody"], "user_id": ["USR001", "USR006", "USR002", "zz"], "receiver_id": ["USR001", "USR006", "USR003"], "message": ["Hello", "x é"], "keyword": ["hello", "A", "news", "#a", ""], "user_name": ["Kai", "Alice", "Ann"],
    "username": ["john", "zoe", "kim", ""], "password": ["john123", "p", ""], "tweet_id": [0, 1, 2, 0.0, False, "0"], "tags": [["#t"], [], "#"], "mentions": [["@m"], []], "mentioned_usernames": [["@a", "@b"], "xy", [], ("q",)], "username_to_follow": ["x", "new"], "username_to_unfollow": ["x", "alice", "none"], "comment_content": ["c"],
    "ticket_id": [1, 2, 3, 1.0, True, "1"], "title": ["T"], "description": ["D"], "priority": [1, 5, 0, 6, 2.5], "resolution": ["done"], "updates": [{"title": "N"}, {"status": "Resolved"}, {"status": None, "priority": 9}, {"bad": 1}, {}, {"status": 5}], "status": ["open", "Closed", None, "resolved"],
    "symbol": ["AAPL", "GOOG", "ZZZ"], "order_id": [5, 12345, 12446, 6, "5", 5.0], "order_type": ["Buy", "SELL", "x"], "price": [1.5, 100, "10", 0, -1], "amount": [1, 2.5, 100, 10**6, 0, -3, "7"], "start_date": ["2024-08-01", None, "2024-9-1", "x", "2024-02-30", "2024-08-01 "], "end_date": ["2024-12-31", None, "2023-01-01", "0000-01-01"],
    "sector": ["Technology", "Automobile", "Food"], "stocks": [["AAPL", "TSLA"], ["ZZZ"], "AAPL", []], "min_price": [0, 100], "max_price": [1000, 500.5], "stock": ["AAPL", "ZZZ", "NVDA"], "threshold": [0.1, 0, 5],
    "access_token": ["tok", "bad", None], "card_id": ["c1", "c2", "c3", "zz"], "travel_date": ["2024-05-01", "2024-05-02", "bad", "2024-02-30", "٢٠٢٤-01-01"], "travel_from": ["SFO", "LAX", "RMS", "PHV", "XX"], "travel_to": ["LAX", "JFK", "BOS", "GFD", "SFO"], "travel_class": ["economy", "business", "first"],
    "booking_id": ["b1", "zz", None], "insurance_cost": [10, 2.5, 100000], "budget_limit": [100, "2000", 5000.0, "x"], "base_currency": ["USD", "EUR", "RMB", "XXX"], "target_currency": ["USD", "EUR", "MXN", "JPY"], "first_name": ["Ida", "Bo"], "last_name": ["Lund"], "date_of_birth": ["1990-01-01", "2020-01-01", "x", "1990-1-9", "1990-13-01"], "passport_number": ["US123", "DE1"], "location": ["Paris", "Rome", "Nowhere"],
    "ignitionMode": ["START", "STOP", "x"], "fuelAmount": [1, 5.5, 100, -1, "x"], "unlock": [True, False], "door": [["driver"], ["driver", "passenger", "rear_left", "rear_right"], ["boot"], "driver", []], "temperature": [20, 68.5, "hot"], "unit": ["celsius", "fahrenheit"], "fanSpeed": [0, 50, 101, "5"], "option": ["fuel", "battery", "doors", "climate", "headlights", "parkingBrake", "brakePedal", "engine", "x"], "pedalPosition": [0, 0.5, 1, 1.0, 2, True], "speed": [50, 52, 0, "60", 130], "activate": [True, False], "distanceToNextVehicle": [10, "20", "x"], "distance": [10, 500, "x"], "liter": [1, 2.5, "x"], "gallon": [3, 1e300], "cityA": ["83214", "74532", "94016"], "cityB": ["74532", "83214", "62947"], "city": ["Rivermist", "x"], "messages": [["a"], "b"],
}
ODD = [None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e16, 1e-7, 1e308, 10**20, -10**30, 2**63, "", "a", "é€😀", "it's", 'q"', "\\", "\n", "\x00\u200b", "5", " 7 ", "1e3", [], [1], ["a", "b"], [1, [2.5, None]], (), (1,), ("a", "b"), {}, {"a": 1}, {1: 2, "k": [3]}, 1j, 2 + 3j, b"ab", b"", [True], [None], "x" * 50, 123456789.125, 1/3]


def argument(r, name):
    if name in GOOD and r.random() < .8:
        return r.choice(GOOD[name])
    if r.random() < .35:
        return r.choice(r.choice(list(GOOD.values())))
    return r.choice(ODD)


def call(r, name, method):
    parameters = [p for p in inspect.signature(method).parameters.values()]
    text = []
    x = r.random()
    positional = r.random() < .15
    for p in parameters:
        optional = p.default is not inspect.Parameter.empty
        if optional and r.random() < .5 or x < .02 and r.random() < .5:
            positional = False
            continue
        v = repr(argument(r, p.name))
        text.append(v if positional else f"{p.name}={v}")
    if x > .98:
        text.append(f"extra={r.choice(ODD)!r}")
    elif x > .965 and (not text or "=" not in text[-1]):
        text += [repr(r.choice(ODD))] * r.randint(1, 3)
    return f"{name}({', '.join(text)})"


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    classes = list(SCENARIOS)
    # The process-wide default lists would leak from one sequence into the next.
    for i in range(count):
        r = random.Random(f"{seed}|{i}")
        name = classes[i % len(classes)]
        scenario = r.choice(SCENARIOS[name])
        module = importlib.import_module(CLASS_FILE_PATH_MAPPING[name])
        post = module.TwitterAPI.post_tweet if name == "TwitterAPI" else None
        if post: post.__defaults__ = ([], [])
        instance = getattr(module, name)()
        methods = [(n, m) for n, m in inspect.getmembers(instance, predicate=inspect.ismethod) if not n.startswith("_")]
        calls = [c for c in (call(r, *r.choice(methods)) for _ in range(r.randint(5, 30))) if not (c.startswith(("power", "square_root", "logarithm", "round_number")) and re.search(r"\d{6}|e\+", c))]
        # Once in a while a name that is unknown or refused.
        if r.random() < .05: calls.insert(r.randrange(len(calls)), r.choice(["nothing(x=1)", "run(a=1)", "remove()", "x.unlink(1)", "pwd (  )"]))
        results = []
        kept = []
        for c in calls:
            got, _ = U.execute_multi_turn_func_call([c], copy.deepcopy(scenario), [name], "world", "w", False, False)
            kept.append(c); results.append(got[0])
        for key in [k for k in vars(U) if k.endswith("_instance")]: del vars(U)[key]
        print(json.dumps({"class": name, "scenario": scenario, "calls": kept, "results": results}))


main()
