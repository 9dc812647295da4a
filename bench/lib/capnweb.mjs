// capnweb, served and called as its documentation says; over a WebSocket (its own transport), and over TCP by
// a custom transport that does what the floor does: length-prefixed msgpack, all messages of a tick in one write.
import { newWebSocketRpcSession, RpcSession, RpcTarget } from "capnweb";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";

import { window64 } from "./floor.mjs";
import { sum3 } from "./payload.mjs";

// Node 20 has none, and capnweb reads its constants.
globalThis.WebSocket ??= WebSocket;

export const WEB_SOCKET_OPTIONS = { perMessageDeflate: false, maxPayload: 1 << 30 };

const packr = new Packr({ useRecords: false });

class Made extends RpcTarget {
  #i;
  #live;

  constructor(i, live) {
    super();
    this.#i = i;
    this.#live = live;
    live.add(this);
  }

  get() {
    return this.#i;
  }

  [Symbol.dispose]() {
    this.#live.delete(this);
  }
}

class StepA extends RpcTarget {
  #i;

  constructor(i) {
    super();
    this.#i = i;
  }

  b(j) {
    return new StepB(this.#i, j);
  }
}

class StepB extends RpcTarget {
  #i;
  #j;

  constructor(i, j) {
    super();
    this.#i = i;
    this.#j = j;
  }

  v() {
    return this.#i * 1000 + this.#j;
  }
}

/** What the server offers: the same as `Bench` in banyan.mjs. */
export class CapnwebBench extends RpcTarget {
  #live = new Set();

  add(a, b) {
    return a + b;
  }

  echo(value) {
    return value;
  }

  bytes(bytes) {
    return sum3(bytes);
  }

  async invoke(fn, x) {
    return (await fn(x)) + 1;
  }

  async loop(fn, n) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += await fn(i);
    return sum;
  }

  a(i) {
    return new StepA(i);
  }

  make(i) {
    return new Made(i, this.#live);
  }

  live() {
    return this.#live.size;
  }
}

/** The client's side. */
export function capnwebApi(stub) {
  return {
    add: (a, b) => stub.add(a, b),
    echo: (value) => stub.echo(value),
    bytes: (bytes) => stub.bytes(bytes),
    invoke: (fn, x) => stub.invoke(fn, x),
    loop: (fn, n) => stub.loop(fn, n),
    // Pipelined: the three steps leave together.
    chain: async (i, j) => {
      const a = stub.a(i);
      const b = a.b(j);
      const value = await b.v();
      b[Symbol.dispose]();
      a[Symbol.dispose]();
      return value;
    },
    references: async (n) => {
      const made = await window64(n, (i) => stub.make(i));
      return async () => {
        for (const reference of made) reference[Symbol.dispose]();
      };
    },
    live: () => stub.live(),
  };
}

export function capnwebOverWebSocket(port) {
  return newWebSocketRpcSession(new WebSocket(`ws://127.0.0.1:${port}`, WEB_SOCKET_OPTIONS));
}

export function capnwebOverSocket(socket, target) {
  return new RpcSession(new SocketTransport(socket), target);
}

class SocketTransport {
  encodingLevel = "jsonCompatibleWithBytes";
  #socket;
  #parts = [];
  #have = 0;
  #need = 0;
  #out = [];
  #size = 0;
  #arrived = [];
  #waiting;
  #error;

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#data(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#error = new Error("closed");
      this.#waiting?.reject(this.#error);
    });
  }

  send(message) {
    const body = packr.pack(message);
    const frame = Buffer.allocUnsafe(4 + body.length);
    frame.writeUInt32BE(body.length, 0);
    frame.set(body, 4);
    this.#out.push(frame);
    this.#size += frame.length;
    if (this.#out.length > 1) return;
    process.nextTick(() => {
      const [chunks, size] = [this.#out, this.#size];
      this.#out = [];
      this.#size = 0;
      this.#socket.write(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
    });
  }

  receive() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  abort() {
    this.#socket.destroy();
  }

  #data(chunk) {
    let bytes = chunk;
    if (this.#need > 0) {
      this.#parts.push(bytes);
      this.#have += bytes.length;
      if (this.#have < this.#need) return;
      bytes = Buffer.concat(this.#parts, this.#have);
      this.#parts = [];
      this.#need = 0;
    }
    let at = 0;
    while (bytes.length - at >= 4) {
      const size = bytes.readUInt32BE(at);
      if (bytes.length - at - 4 < size) break;
      this.#message(packr.unpack(bytes.subarray(at + 4, at + 4 + size)));
      at += 4 + size;
    }
    if (at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    this.#parts = [rest];
    this.#have = rest.length;
    this.#need = rest.length >= 4 ? 4 + rest.readUInt32BE(0) : 4;
  }

  #message(message) {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#arrived.push(message);
    else waiting.resolve(message);
  }
}
