// The workloads of remote calls, the same for floor and subject. Every result is checked.
import { megabyte, object1k, sum3 } from "./payload.mjs";
import { rate, RUN_MS, WARM_MS } from "./measure.mjs";

const REFERENCES = 10_000;
/** How often it is looked whether the other side has let go, before that is an error. */
const LOOKS = 1000;

function expect(ok, what) {
  if (!ok) throw new Error(`wrong result: ${what}`);
}

const double = (x) => x * 2;

export const CALLS = {
  "one call at a time": (api) => rate(add(api)),
  "64 calls in flight": (api) => rate(add(api), { k: 64 }),
  "1 KB object, 64 in flight": (api) => {
    const objects = Array.from({ length: 512 }, () => structuredClone(object1k));
    return rate(
      async (i) => {
        const object = objects[i & 511];
        object.id = i;
        const back = await api.echo(object);
        expect(back.id === i && back.lines[7].qty === 8 && back.note === object.note, "echo");
      },
      { k: 64 },
    );
  },
  "1 MB of bytes, 4 in flight": (api) => {
    const buffers = Array.from({ length: 8 }, megabyte);
    const want = sum3(buffers[0]);
    return rate(async (i) => expect((await api.bytes(buffers[i & 7])) === want, "bytes"), { k: 4 });
  },
  "call of a held callback": async (api) => {
    const loops = await rate(async () => {
      expect((await api.loop(double, 200)) === 200 * 199, "loop");
    });
    return loops * 200;
  },
  "pass a callback and have it called": (api) =>
    rate(async (i) => expect((await api.invoke(double, i)) === 2 * i + 1, "invoke")),
  "create and release 10,000 references": async (api) => {
    const once = async () => {
      const release = await api.references(REFERENCES);
      expect((await api.live()) >= REFERENCES, "live");
      await release();
      for (let looks = 0; (await api.live()) > 0; looks++) {
        expect(looks < LOOKS, "released references are still held");
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await once();
    return (await rate(once, { warmMs: 0, runMs: 2 * RUN_MS })) * REFERENCES;
  },
  // Last: what it leaves behind is released by the garbage collector only.
  "three dependent steps": (api) =>
    rate(async (i) => {
      expect((await api.chain(i & 1023, 5)) === (i & 1023) * 1000 + 5, "chain");
    }),
};

/** The least ratio to the floor that we want, between processes and between threads. */
export const TARGETS = {
  "one call at a time": { process: "0.85", thread: "0.85" },
  "64 calls in flight": { process: "0.80", thread: "0.60" },
  "1 MB of bytes, 4 in flight": { process: "0.90" },
  "call of a held callback": { process: "0.85" },
  "pass a callback and have it called": { process: "0.75" },
  "create and release 10,000 references": { process: "0.40" },
  "three dependent steps": { process: "0.80" },
};

/** Lets both sides compile what every call goes through. */
export async function warmUp(api) {
  await rate(add(api), { k: 16, warmMs: WARM_MS, runMs: WARM_MS });
}

function add(api) {
  return async (i) => expect((await api.add(i, 7)) === i + 7, "add");
}
