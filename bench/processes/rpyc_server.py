# Serves RPyC's classic mode on a free port of this machine, and prints it.
import logging

from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer

logging.disable(logging.CRITICAL)
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port=0)
# `start` alone would listen only after the port is told.
if hasattr(server, "_listen"):
    server._listen()
print(server.port, flush=True)
server.start()
