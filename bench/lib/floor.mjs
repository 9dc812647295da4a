// The floor of remote calls: the least that a call over a stream can do in Node. Length-prefixed msgpack
// frames, a map of pending calls, all messages of one tick in one write; no proxies, references or errors.
import { Packr } from "msgpackr";

const packr = new Packr({ useRecords: false });
const LARGE = 65_536;

export class Floor {
  #methods;
  #write;
  #id = 0;
  #pending = new Map();
  #out = [];
  #size = 0;
  #parts = [];
  #have = 0;
  #need = 0;

  /** `write(chunks, size)` sends what one tick collected. */
  constructor(methods, write) {
    this.#methods = methods;
    this.#write = write;
  }

  /** Takes a connected socket over. */
  static onSocket(socket, methods) {
    socket.setNoDelay?.(true);
    const floor = new Floor(methods, (chunks, size) => {
      if (size <= LARGE) {
        socket.write(Buffer.concat(chunks, size));
        return;
      }
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    });
    socket.on("data", (chunk) => floor.data(chunk));
    socket.on("error", () => {});
    return floor;
  }

  call(name, a, b) {
    const id = ++this.#id;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.send([1, id, name, a, b]);
    });
  }

  data(chunk) {
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
      this.message(packr.unpack(bytes.subarray(at + 4, at + 4 + size)));
      at += 4 + size;
    }
    if (at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    this.#parts = [rest];
    this.#have = rest.length;
    this.#need = rest.length >= 4 ? 4 + rest.readUInt32BE(0) : 4;
  }

  message(message) {
    if (message[0] === 2) {
      const resolve = this.#pending.get(message[1]);
      this.#pending.delete(message[1]);
      resolve(message[2]);
      return;
    }
    const result = this.#methods[message[2]](message[3], message[4], this);
    if (result instanceof Promise) void result.then((value) => this.send([2, message[1], value]));
    else this.send([2, message[1], result]);
  }

  /** Leaves with whatever else this tick sends. */
  send(message) {
    const body = packr.pack(message);
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32BE(body.length, 0);
    if (this.#out.length === 0) process.nextTick(Floor.#flush, this);
    this.#out.push(head, body);
    this.#size += 4 + body.length;
  }

  /** One function for all ticks. */
  static #flush = (floor) => {
    const chunks = floor.#out;
    const size = floor.#size;
    floor.#out = [];
    floor.#size = 0;
    floor.#write(chunks, size);
  };
}

/**
 * The floor between threads: the same messages by `postMessage`, which packs them itself. `batched`
 * posts all of a tick as one array.
 */
export class PortFloor extends Floor {
  #port;
  #batched;
  #queue = [];

  constructor(port, methods, { batched }) {
    super(methods, () => {});
    this.#port = port;
    this.#batched = batched;
  }

  open() {
    this.#port.on("message", (posted) => {
      if (!this.#batched) this.message(posted);
      else for (const message of posted) this.message(message);
    });
    return this;
  }

  send(message) {
    if (!this.#batched) {
      this.#port.postMessage(message);
      return;
    }
    this.#queue.push(message);
    if (this.#queue.length > 1) return;
    process.nextTick(() => {
      const queue = this.#queue;
      this.#queue = [];
      this.#port.postMessage(queue);
    });
  }
}

/** What the floor's server does: the same work as `Bench` in banyan.mjs gives through Banyan. */
export function floorMethods() {
  const references = new Map();
  let next = 0;
  return {
    add: (a, b) => a + b,
    echo: (value) => value,
    bytes: (bytes) => bytes.length + bytes[0] + bytes[bytes.length - 1],
    invoke: async (fn, x, peer) => (await peer.call("callback", fn, x)) + 1,
    loop: async (fn, n, peer) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await peer.call("callback", fn, i);
      return sum;
    },
    chain: (i, j) => i * 1000 + j,
    make: (i) => {
      references.set(++next, { i });
      return next;
    },
    free: (ids) => {
      for (const id of ids) references.delete(id);
      return null;
    },
    live: () => references.size,
  };
}

/** The functions that a client lets its server call. */
export function floorCallbacks() {
  const functions = new Map();
  return { functions, methods: { callback: (fn, x) => functions.get(fn)(x) } };
}

/** The client's side of the same. */
export function floorApi(floor, functions) {
  let id = 0;
  const add = (fn) => {
    functions.set(++id, fn);
    return id;
  };
  return {
    add: (a, b) => floor.call("add", a, b),
    echo: (value) => floor.call("echo", value),
    bytes: (bytes) => floor.call("bytes", bytes),
    invoke: (fn, x) => {
      const key = add(fn);
      return floor.call("invoke", key, x).finally(() => functions.delete(key));
    },
    loop: (fn, n) => {
      const key = add(fn);
      return floor.call("loop", key, n).finally(() => functions.delete(key));
    },
    chain: (i, j) => floor.call("chain", i, j),
    references: async (n) => {
      const ids = await window64(n, (i) => floor.call("make", i));
      return () => floor.call("free", ids);
    },
    live: () => floor.call("live"),
  };
}

/** `n` results with 64 under way at a time. */
export async function window64(n, make) {
  const made = Array.from({ length: n });
  let i = 0;
  const one = async () => {
    while (i < n) {
      const at = i++;
      made[at] = await make(at);
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
  return made;
}
