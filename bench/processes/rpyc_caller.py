# RPyC, classic mode over TCP: synchronous proxies; `rpyc.async_` where calls are in flight.
import os
import subprocess
import sys
import time
from collections import deque

from measure import BYTES, OBJECT, SUM, answer, expect, is_echo, now, rate, window

import rpyc
import rpyc.utils.classic as classic

REFERENCES = 10000

server = subprocess.Popen(
    [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "rpyc_server.py")],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
connection = classic.connect("127.0.0.1", int(server.stdout.readline()))
connection.execute("""
live = set()
class Made(object):
    def __init__(self, i): self.i = i; live.add(i)
    def get(self): return self.i
    def __del__(self): live.discard(self.i)
class StepB(object):
    def __init__(self, x): self.x = x
    def v(self): return self.x
class StepA(object):
    def __init__(self, i): self.i = i
    def b(self, j): return StepB(self.i * 1000 + j)
class Bench(object):
    def add(self, a, b): return a + b
    def echo(self, value): return value
    def bytes(self, b): return len(b) + b[0] + b[-1]
    def invoke(self, fn, x): return fn(x) + 1
    def loop(self, fn, n):
        total = 0
        for i in range(n): total += fn(i)
        return total
    def a(self, i): return StepA(i)
    def make(self, i): return Made(i)
    def live(self): return len(live)
bench = Bench()
def add(a, b): return a + b
""")
bench = connection.namespace["bench"]
later_add = rpyc.async_(connection.namespace["add"])
under_way = deque()


def double(x):
    return x * 2


def references():
    """Made one after the other: RPyC has no way to make them in flight that gives references back."""
    def once():
        start = now()
        made = [bench.make(i) for i in range(REFERENCES)]
        expect(bench.live() >= REFERENCES, "live")
        del made
        while bench.live() > 0:
            time.sleep(.002)
        return now() - start
    return REFERENCES / once()


def chain(i):
    expect(bench.a(i & 1023).b(5).v() == (i & 1023) * 1000 + 5, "chain")


def echo(i):
    sent = classic.deliver(connection, dict(OBJECT, id=i))
    expect(is_echo(classic.obtain(bench.echo(sent)), i), "echo")


rows = {
    "one call at a time": lambda: rate(lambda i: expect(bench.add(i, 7) == i + 7, "add")),
    "64 calls in flight": lambda: window(
        lambda i: under_way.append(later_add(i, 7)),
        lambda i: expect(under_way.popleft().value == i + 7, "add"), 64),
    "1 KB object, 64 in flight": lambda: rate(echo),
    "1 MB of bytes, 4 in flight": lambda: rate(lambda i: expect(bench.bytes(BYTES) == SUM, "bytes")),
    "call of a held callback": lambda: 200 * rate(
        lambda i: expect(bench.loop(double, 200) == 200 * 199, "loop")),
    "pass a callback and have it called": lambda: rate(
        lambda i: expect(bench.invoke(double, i) == 2 * i + 1, "invoke")),
    "create and release 10,000 references": references,
    "three dependent steps": lambda: rate(chain),
}
rate(lambda i: expect(bench.add(i, 7) == i + 7, "add"))
try:
    answer(rows)
finally:
    server.kill()
