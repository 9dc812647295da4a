"""Property gets by RPyC: `serve` prints its port; `call PORT WARM_MS RUN_MS` answers each line with gets a second."""
import logging
import sys
import time

import rpyc
from rpyc.utils.server import ThreadedServer

logging.disable(logging.CRITICAL)


class Thing:
    def __init__(self):
        self.x = 1


class Service(rpyc.Service):
    def exposed_thing(self):
        return Thing()


def serve():
    options = {"allow_all_attrs": True}
    server = ThreadedServer(Service, hostname="127.0.0.1", port=0, protocol_config=options)
    print(server.port, flush=True)
    server.start()


def gets(thing, ms):
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < ms / 1000:
        for _ in range(100):
            if thing.x != 1:
                raise SystemExit("wrong value")
        count += 100
    return count / (time.perf_counter() - start)


def call(port, warm_ms, run_ms):
    thing = rpyc.connect("127.0.0.1", port).root.thing()
    print("ready", flush=True)
    for _ in sys.stdin:
        gets(thing, warm_ms)
        print(gets(thing, run_ms), flush=True)


if sys.argv[1] == "serve":
    serve()
else:
    call(*(int(argument) for argument in sys.argv[2:]))
