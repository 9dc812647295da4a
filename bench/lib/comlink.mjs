// Comlink, served and called as its documentation says.
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";

import { window64 } from "./floor.mjs";
import { sum3 } from "./payload.mjs";

/** Offers the same as `Bench` in banyan.mjs. */
export function serveComlink(port) {
  const live = new Set();
  const api = {
    add: (a, b) => a + b,
    echo: (value) => value,
    bytes: (bytes) => sum3(bytes),
    invoke: async (fn, x) => {
      const result = (await fn(x)) + 1;
      fn[Comlink.releaseProxy]();
      return result;
    },
    loop: async (fn, n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await fn(i);
      fn[Comlink.releaseProxy]();
      return sum;
    },
    a: (i) => Comlink.proxy({ b: (j) => Comlink.proxy({ v: () => i * 1000 + j }) }),
    make: (i) => {
      const made = { get: () => i, [Comlink.finalizer]: () => live.delete(made) };
      live.add(made);
      return Comlink.proxy(made);
    },
    live: () => live.size,
  };
  Comlink.expose(api, nodeEndpoint(port));
}

/** The client's side. */
export function comlinkApi(worker) {
  const remote = Comlink.wrap(nodeEndpoint(worker));
  return {
    add: (a, b) => remote.add(a, b),
    echo: (value) => remote.echo(value),
    bytes: (bytes) => remote.bytes(bytes),
    invoke: (fn, x) => remote.invoke(Comlink.proxy(fn), x),
    loop: (fn, n) => remote.loop(Comlink.proxy(fn), n),
    chain: async (i, j) => {
      const a = await remote.a(i);
      const b = await a.b(j);
      const value = await b.v();
      b[Comlink.releaseProxy]();
      a[Comlink.releaseProxy]();
      return value;
    },
    references: async (n) => {
      const made = await window64(n, (i) => remote.make(i));
      return async () => {
        for (const reference of made) reference[Comlink.releaseProxy]();
      };
    },
    live: () => remote.live(),
  };
}
