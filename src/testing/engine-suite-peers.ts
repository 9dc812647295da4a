import assert from "node:assert/strict";

import { type Deferred, deferred } from "../base/deferred.ts";
import type { Engine, EngineAnswer, EngineResponder, PresenceEvent } from "../engine/engine.ts";
import { formatPath } from "../wire/path-text.ts";
import { bytes, type EngineTest, path, rejectsWith, soon, text } from "./engine-suite-kit.ts";

/** `Engine.peers`: requests and answers, and who is there. */
export function peerTests(test: EngineTest): void {
  requestTests(test);
  presenceTests(test);
}

/** Answers with the request's topic and data. */
const echo =
  (by: string): EngineResponder =>
  async ({ topic, data }) => ({
    failed: false,
    data: bytes(`${formatPath(topic)} ${text(data)}`),
    by,
  });

const refuse: EngineResponder = async () => ({ failed: true, data: bytes("no"), by: "me" });

/** Answers nothing until it is told that nobody waits any more. */
function untilTold(signal: AbortSignal, told: Deferred<string>): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      told.resolve("told");
      reject(signal.reason);
    });
  });
}

async function responding(
  engine: Engine,
  topic: string,
  responder: EngineResponder,
): Promise<void> {
  await engine.peers.respond(path(topic), responder).ready;
}

const said = ({ failed, data, by }: EngineAnswer): string =>
  `${by}${failed ? "!" : ":"} ${text(data)}`;

function requestTests(test: EngineTest): void {
  test("request() gets the answer of who responds, also of another client", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    await responding(other, "math.add", echo("adder"));
    await responding(other, "text.#", echo("texts"));
    const ask = async (topic: string): Promise<string> =>
      said(await engine.peers.request(path(topic), bytes("1")));
    assert.equal(await ask("math.add"), "adder: math.add 1");
    assert.equal(await ask("text.upper.all"), "texts: text.upper.all 1");
    await rejectsWith(ask("math.add.more"), "ENGINE_NO_RESPONDER");
    await rejectsWith(ask("math"), "ENGINE_NO_RESPONDER");
    await rejectsWith(ask("text.+"), "ENGINE_BAD_TOPIC");
  });

  test("request() carries a failure as the responder's answer", async (engine) => {
    await responding(engine, "a", refuse);
    assert.equal(said(await engine.peers.request(path("a"), bytes(""))), "me! no");
  });

  test("request() gives up in time, and tells the responder", async (engine) => {
    const stopped = deferred<string>();
    await responding(engine, "slow", ({ signal }) => untilTold(signal, stopped));
    const late = engine.peers.request(path("slow"), bytes(""), { timeoutMs: 30 });
    await rejectsWith(late, "ENGINE_NO_ANSWER");
    assert.equal(await soon(stopped.promise, "the responder's signal"), "told");
  });

  test("request() ends with the signal, and tells the responder", async (engine) => {
    const controller = new AbortController();
    const stopped = deferred<string>();
    await responding(engine, "slow", ({ signal }) => {
      const told = untilTold(signal, stopped);
      controller.abort("enough");
      return told;
    });
    const { signal } = controller;
    const asked = engine.peers.request(path("slow"), bytes(""), { signal });
    await assert.rejects(soon(asked, "the abort"), (error) => error === "enough");
    assert.equal(await soon(stopped.promise, "the responder's signal"), "told");
    const again = engine.peers.request(path("slow"), bytes(""), { signal });
    await assert.rejects(again, (error) => error === "enough");
  });

  test("request() asks whoever has the least to do, and each in turn", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    await responding(engine, "a", echo("one"));
    await responding(other, "a", echo("two"));
    const ask = async (): Promise<string> => (await engine.peers.request(path("a"), bytes(""))).by;
    const answers = [await ask(), await ask(), await ask(), await ask()];
    assert.deepEqual(answers.toSorted(), ["one", "one", "two", "two"]);
    const free: (() => void)[] = [];
    await responding(engine, "b", async (request) => {
      await new Promise<void>((resolve) => free.push(resolve));
      return echo("busy")(request);
    });
    await responding(other, "b", echo("free"));
    const asked = Array.from({ length: 6 }, () => engine.peers.request(path("b"), bytes("")));
    const first = await soon(Promise.race(asked), "the free one's answer");
    assert.equal(first.by, "free");
    while (free.length === 0) await engine.get(path("a"));
    assert.equal((await engine.peers.request(path("b"), bytes(""))).by, "free");
    for (let i = 0; i < 6; i++) free.pop()?.();
    const all = Promise.all(asked);
    const letGo = setInterval(() => free.pop()?.(), 1);
    await soon(all, "all answers");
    clearInterval(letGo);
  });

  test("request() fails when the responder goes away, and nobody else is asked", async (engine, fixture) => {
    if (fixture.another === undefined) return;
    const other = await fixture.another();
    const asked = deferred<AbortSignal>();
    await responding(other, "a", ({ signal }) => {
      asked.resolve(signal);
      return new Promise(() => {});
    });
    const answer = engine.peers.request(path("a"), bytes(""));
    answer.catch(() => {});
    const signal = await soon(asked.promise, "the request");
    await responding(engine, "a", echo("other"));
    const closed = other.close();
    const error = await answer.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.equal((error as { code?: string }).code, "ENGINE_RESPONDER_LOST");
    await soon(closed, "the end of what went away");
    assert.equal(signal.aborted, true);
  });

  test("a responder that is disposed of is asked no more", async (engine) => {
    const offer = engine.peers.respond(path("a"), echo("me"));
    await offer.ready;
    await engine.peers.request(path("a"), bytes(""));
    await offer[Symbol.asyncDispose]();
    await engine.get(path("a"));
    await rejectsWith(engine.peers.request(path("a"), bytes("")), "ENGINE_NO_RESPONDER");
  });

  test("requestAll() gives every answer, and leaves out who fails to give one", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    await responding(engine, "a", echo("one"));
    await responding(other, "a", echo("two"));
    await responding(other, "a", async () => ({ failed: true, data: bytes("no"), by: "three" }));
    await responding(other, "a", async () => Promise.reject(new Error("broken")));
    const answers: string[] = [];
    for await (const answer of engine.peers.requestAll(path("a"), bytes("x"))) {
      answers.push(said(answer));
    }
    assert.deepEqual(answers.toSorted(), ["one: a x", "three! no", "two: a x"]);
    const nobody = engine.peers.requestAll(path("b"), bytes("x"));
    await rejectsWith(nobody.next(), "ENGINE_NO_RESPONDER");
  });

  test(
    "request() and announce() refuse what is over the limit",
    async (engine) => {
      await responding(engine, "a", echo("one"));
      const much = new Uint8Array(1_001);
      await rejectsWith(engine.peers.request(path("a"), much), "ENGINE_TOO_LARGE");
    },
    { maxValueBytes: 1_000 },
  );
}

function presenceTests(test: EngineTest): void {
  test("presence() tells who is there, who comes and who goes", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    const first = engine.peers.announce(path("house.cellar"), bytes("1"));
    await first.ready;
    const reader = new PresenceLog(engine, "house");
    assert.deepEqual(await reader.next(2), ["join house.cellar 1", "ready"]);
    const second = other.peers.announce(path("house.attic"), bytes("2"));
    const elsewhere = other.peers.announce(path("garden"), bytes("3"));
    await Promise.all([second.ready, elsewhere.ready]);
    assert.deepEqual(await reader.next(1), ["join house.attic 2"]);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await reader.next(1), ["leave house.cellar 1 left"]);
    second.leave();
    assert.deepEqual(await reader.next(1), ["leave house.attic 2 left"]);
  });

  test("two at one place are two, and each comes with an id of its own", async (engine) => {
    const one = engine.peers.announce(path("a"), bytes("1"));
    const two = engine.peers.announce(path("a"), bytes("2"));
    await Promise.all([one.ready, two.ready]);
    assert.notEqual(one.id, two.id);
    const reader = new PresenceLog(engine, ":");
    assert.deepEqual(await reader.next(3), ["join a 1", "join a 2", "ready"]);
    two.leave();
    assert.deepEqual(await reader.next(1), ["leave a 2 left"]);
  });

  test("presence() ends with the loop, the signal and the engine", async (engine) => {
    const controller = new AbortController();
    const aborted = engine.peers.presence(path("a"), { signal: controller.signal });
    const events = aborted[Symbol.asyncIterator]();
    await soon(events.next(), "ready");
    const pull = events.next();
    controller.abort("enough");
    await assert.rejects(soon(pull, "the abort"), (error) => error === "enough");
    const closed = engine.peers.presence(path("a"))[Symbol.asyncIterator]();
    await soon(closed.next(), "ready");
    const last = closed.next();
    await engine.close();
    assert.equal((await soon(last, "the end")).done, true);
    assert.throws(() => engine.peers.presence(path("a")), { code: "ENGINE_CLOSED" });
    assert.throws(() => engine.peers.respond(path("a"), echo("")), { code: "ENGINE_CLOSED" });
  });
}

class PresenceLog {
  readonly #events: AsyncIterator<readonly PresenceEvent[]>;
  #rest: string[] = [];

  constructor(engine: Engine, place: string) {
    this.#events = engine.peers.presence(path(place))[Symbol.asyncIterator]();
  }

  async next(count: number): Promise<string[]> {
    while (this.#rest.length < count) {
      const { done, value } = await soon(this.#events.next(), `event ${this.#rest.length + 1}`);
      assert.ok(done !== true, "the presence ended");
      this.#rest.push(...value.map(shown));
    }
    return this.#rest.splice(0, count);
  }
}

function shown(event: PresenceEvent): string {
  if (!("member" in event)) return event.type;
  const { place, about } = event.member;
  const reason = event.type === "leave" ? ` ${event.reason}` : "";
  return `${event.type} ${formatPath(place)} ${text(about)}${reason}`;
}
