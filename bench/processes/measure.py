# What callers in Python share: rates as in lib/measure.mjs, the same payloads, answers in lines of JSON.
import json
import os
import sys
import time

WARM = float(os.environ.get("BENCH_WARM_MS", 300)) / 1e3
RUN = float(os.environ.get("BENCH_MS", 700)) / 1e3
now = time.perf_counter

BYTES = bytes((i * 31) & 255 for i in range(256)) * 4096
SUM = len(BYTES) + BYTES[0] + BYTES[-1]
OBJECT = {
    "id": 0, "kind": "order", "name": "Grace Brewster Hopper", "email": "grace@example.org",
    "active": True, "score": 3.14159, "parent": None,
    "tags": ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"],
    "address": {"street": "1 Navy Way", "city": "Arlington", "zip": "22202",
                "geo": {"lat": 38.8816, "lon": -77.091}},
    "lines": [{"sku": "SKU-%d" % (1000 + i), "qty": i + 1, "price": 9.75 + i, "ts": 1700000000000 + i}
              for i in range(8)],
    "note": "",
}
OBJECT["note"] = "x" * (1024 - len(json.dumps(OBJECT, separators=(",", ":"))))


def expect(ok, what):
    if not ok:
        raise SystemExit("wrong result: " + what)


def is_echo(back, i):
    return back["id"] == i and back["lines"][7]["qty"] == 8 and back["note"] == OBJECT["note"]


def rate(operation, warm=WARM, run=RUN):
    """One operation at a time; operations a second."""
    i = 0
    end = now() + warm
    while now() < end:
        operation(i)
        i += 1
    count = 0
    start = now()
    while now() - start < run:
        operation(i)
        i += 1
        count += 1
    return count / (now() - start)


def window(send, receive, k):
    """`k` under way, answered in order; operations a second."""
    def phase(seconds):
        sent = received = 0
        start = now()
        for _ in range(k):
            send(sent)
            sent += 1
        while received < sent:
            receive(received)
            received += 1
            if now() - start < seconds:
                send(sent)
                sent += 1
        return received / (now() - start)
    phase(WARM)
    return phase(RUN)


def answer(rows):
    """Runs the rows that the parent names, until it closes the pipe."""
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps({"result": rows[json.loads(line)]()}), flush=True)
