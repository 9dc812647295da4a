# RPyC, classic mode over TCP: gets of one attribute, one after the other.
import os
import subprocess
import sys
import time

from measure import answer, expect, rate

import rpyc.utils.classic as classic

server = subprocess.Popen(
    [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "rpyc_server.py")],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
port = int(server.stdout.readline())


def connect():
    """It says its port just before it listens there."""
    for _ in range(100):
        try:
            return classic.connect("127.0.0.1", port)
        except ConnectionRefusedError:
            time.sleep(.01)
    return classic.connect("127.0.0.1", port)


connection = connect()
connection.execute("""
class Thing(object):
    def __init__(self): self.x = 1
thing = Thing()
""")
thing = connection.namespace["thing"]
rows = {"get from another process": lambda: rate(lambda _: expect(thing.x == 1, "get"))}
try:
    answer(rows)
finally:
    server.kill()
