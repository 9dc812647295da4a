// The subject's server object and client, over any session.
import { release } from "banyan/remote";

import { window64 } from "./floor.mjs";
import { sum3 } from "./payload.mjs";

class Made {
  #i;

  constructor(i) {
    this.#i = i;
  }

  get() {
    return this.#i;
  }
}

/** What the server offers as "bench". */
class Bench {
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
    return new Made(i);
  }
}

class StepA {
  #i;

  constructor(i) {
    this.#i = i;
  }

  b(j) {
    return new StepB(this.#i, j);
  }
}

class StepB {
  #i;
  #j;

  constructor(i, j) {
    this.#i = i;
    this.#j = j;
  }

  v() {
    return this.#i * 1000 + this.#j;
  }
}

/** What a server of the subject exports; `session` is a promise of the one that it serves. */
export function subjectExports(session) {
  return { bench: new Bench(), live: async () => (await session).stats().exports };
}

/** The client's side. */
export async function subjectApi(session) {
  const remote = session.remote("bench");
  const live = session.remote("live");
  const held = await live();
  return {
    add: (a, b) => remote.add(a, b),
    echo: (value) => remote.echo(value),
    bytes: (bytes) => remote.bytes(bytes),
    invoke: (fn, x) => remote.invoke(fn, x),
    loop: (fn, n) => remote.loop(fn, n),
    chain: (i, j) => remote.a(i).b(j).v(),
    references: async (n) => {
      const made = await window64(n, (i) => remote.make(i));
      return async () => {
        for (const reference of made) release(reference);
      };
    },
    live: async () => (await live()) - held,
  };
}
