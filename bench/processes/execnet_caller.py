# execnet: a gateway to a process of its own, and a channel. It has no references, so callbacks are messages.
from measure import BYTES, OBJECT, SUM, answer, expect, is_echo, rate, window

import execnet

gateway = execnet.makegateway("popen")
channel = gateway.remote_exec("""
for message in channel:
    kind = message[0]
    if kind == 'add': channel.send(message[1] + message[2])
    elif kind == 'echo': channel.send(message[1])
    elif kind == 'bytes': channel.send(len(message[1]) + message[1][0] + message[1][-1])
    elif kind == 'invoke':
        channel.send(('callback', message[1]))
        channel.send(('result', channel.receive() + 1))
    elif kind == 'loop':
        total = 0
        for i in range(message[1]):
            channel.send(('callback', i))
            total += channel.receive()
        channel.send(('result', total))
""")


def call(message):
    channel.send(message)
    return channel.receive()


def nested(message):
    reply = call(message)
    while reply[0] == "callback":
        reply = call(reply[1] * 2)
    return reply[1]


def send_echo(i):
    channel.send(("echo", dict(OBJECT, id=i)))


rows = {
    "one call at a time": lambda: rate(lambda i: expect(call(("add", i, 7)) == i + 7, "add")),
    "64 calls in flight": lambda: window(
        lambda i: channel.send(("add", i, 7)), lambda i: expect(channel.receive() == i + 7, "add"), 64),
    "1 KB object, 64 in flight": lambda: window(
        send_echo, lambda i: expect(is_echo(channel.receive(), i), "echo"), 64),
    "1 MB of bytes, 4 in flight": lambda: window(
        lambda i: channel.send(("bytes", BYTES)), lambda i: expect(channel.receive() == SUM, "bytes"), 4),
    "call of a held callback": lambda: 200 * rate(
        lambda i: expect(nested(("loop", 200)) == 200 * 199, "loop")),
    "pass a callback and have it called": lambda: rate(
        lambda i: expect(nested(("invoke", i)) == 2 * i + 1, "invoke")),
}
rate(lambda i: expect(call(("add", i, 7)) == i + 7, "add"))
answer(rows)
gateway.exit()
execnet.default_group.terminate(1)
