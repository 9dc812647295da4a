# Serves RPyC's classic mode on a free port of this machine, and prints it. Ends with whoever holds its stdin.
import logging
import os
import sys
import threading

from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer

logging.disable(logging.CRITICAL)
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port=0)
# `start` alone would listen only after the port is told.
if hasattr(server, "_listen"):
    server._listen()
print(server.port, flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.start()
