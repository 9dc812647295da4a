/** Messages, requests, presence and channels between processes, also when one of them dies. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

import { openSession } from "banyan/remote";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";
import { COMMAND, hubPid, isAlive } from "./kit.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** A command that goes on, and what it says, line by line. */
class Going implements Disposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [COMMAND, "-t", cluster.path, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, BANYAN_AUTHOR: "other" },
    });
    this.#reader = createInterface({ input: this.child.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Resolves when it has said on stderr that it is ready. */
  async ready(): Promise<this> {
    for await (const text of this.child.stderr as AsyncIterable<Buffer>) {
      if (/listening|responding/.test(String(text))) break;
    }
    return this;
  }

  async lines(count: number): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < count) lines.push(String((await this.#lines.next()).value));
    return lines;
  }

  [Symbol.dispose](): void {
    this.#reader.close();
    this.child.kill("SIGKILL");
  }
}

/** Kills the hub, and waits for nothing: who needs one starts another. */
function killHub(): void {
  process.kill(hubPid(cluster.path) as number, "SIGKILL");
}

describe("banyan msg", () => {
  it("MS1: sub hears what fits +, and prints topics as paths and values decoded", async () => {
    using sub = await new Going("-o", "json", "msg", "sub", "ms1.+.lamp", "-n", "2").ready();
    await cluster.tree.publish("ms1.hall.lamp", ["Hello", 42]);
    await cluster.tree.publish("ms1.hall.lamp.deeper", "no");
    await cluster.command("msg", "pub", "ms1:2.lamp", '{"on": true}');
    const heard = (await sub.lines(2)).map((line) => JSON.parse(line) as { topic: unknown });
    expect(heard).toMatchObject([
      { topic: { $path: "ms1.hall.lamp" }, value: ["Hello", 42] },
      { topic: { $path: "ms1:2.lamp" }, value: { on: true } },
    ]);
  });

  it("pub refuses a topic with wildcards, with exit 2", async () => {
    const refused = await cluster.command("msg", "pub", "a.+", "1");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("ENGINE_BAD_TOPIC");
  });

  it("request prints what a stored procedure in another process answers", async () => {
    await cluster.proc("double", "return value * 2", { vars: ["value"] });
    const nobody = await cluster.command("msg", "request", "calc.double", "21");
    expect(nobody.code).toBe(6);
    expect(nobody.stderr).toContain("ENGINE_NO_RESPONDER");
    using _ = await new Going("msg", "respond", "calc.+", "double").ready();
    const answer = await cluster.command("-o", "json", "msg", "request", "calc.double", "21");
    expect(answer).toMatchObject({ code: 0, stdout: "42\n" });
    const all = await cluster.command("-o", "json", "msg", "request", "calc.double", "4", "--all");
    expect(JSON.parse(all.stdout)).toEqual([{ by: "other", value: 8 }]);
  });

  it("request exits with 8 where the responder throws, and with 6 where it takes too long", async () => {
    const fails = cluster.tree.peers.respond("fails", () => {
      throw new RangeError("not that much");
    });
    const silent = cluster.tree.peers.respond("silent", () => new Promise(() => {}));
    await Promise.all([fails.ready, silent.ready]);
    const thrown = await cluster.command("msg", "request", "fails");
    expect(thrown).toMatchObject({ code: 8, stdout: "" });
    expect(thrown.stderr).toContain("RangeError: not that much");
    const late = await cluster.command("msg", "request", "silent", "--wait", "50ms");
    expect(late.code).toBe(6);
    expect(late.stderr).toContain("ENGINE_NO_ANSWER");
    await Promise.all([fails.close(), silent.close()]);
  });

  it("sub --group: what a member that is killed has not read, the others get", async () => {
    const sent = Array.from({ length: 40 }, (_, i) => i);
    using frozen = await new Going("msg", "sub", "work", "-g", "workers").ready();
    frozen.child.kill("SIGSTOP");
    const stays = cluster.tree.subscribe("work", { group: "workers" });
    await stays.ready;
    for (const i of sent) await cluster.tree.publish("work", i);
    frozen.child.kill("SIGKILL");
    const heard: unknown[] = [];
    for await (const { value } of stays) {
      heard.push(value);
      if (heard.length === sent.length) break;
    }
    expect(heard.toSorted((a, b) => Number(a) - Number(b))).toEqual(sent);
  });
});

describe("presence", () => {
  it("tells of a node that comes, is killed, and stays through the loss of the hub", async () => {
    const events = cluster.tree.peers.presence(cluster.tree.system.node);
    const next = async (): Promise<unknown> => (await events.next()).value;
    expect(await next()).toMatchObject({ type: "ready" });
    const node = await cluster.start("n1");
    const came = await next();
    expect(came).toMatchObject({ type: "join", member: { about: { pid: node.pid } } });
    killHub();
    expect([await next(), await next()]).toMatchObject([{ type: "stale" }, { type: "live" }]);
    const { member } = came as { member: { id: string; since: number } };
    await expect
      .poll(async () => (await cluster.tree.peers.list(cluster.tree.system.node)).length)
      .toBe(1);
    expect(await cluster.tree.peers.list(cluster.tree.system.node)).toMatchObject([
      { id: member.id, since: member.since },
    ]);
    node.kill("SIGKILL");
    expect(await next()).toMatchObject({
      type: "leave",
      reason: "lost",
      member: { id: member.id },
    });
    // Nobody is there who would end its lease.
    expect(await cluster.tree.get([".banyan", "node", "n1"])).not.toHaveProperty("ended");
    await events.return();
    const shown = await cluster.command("-o", "json", "msg", "who");
    expect(JSON.parse(shown.stdout)).toEqual([]);
  });

  it("tells of those who went with the hub that died", async () => {
    using other = await new Going("msg", "respond", "x", "double").ready();
    const here = cluster.tree.peers.announce("places.here");
    await here.ready;
    const node = await cluster.start("n2");
    const events = cluster.tree.peers.presence(":");
    const next = async (): Promise<unknown> => (await events.next()).value;
    const places = new Set<string>();
    while (places.size < 2) {
      const event = (await next()) as { type: string; member?: { place: unknown } };
      if (event.type === "join") places.add(String(event.member?.place));
    }
    node.kill("SIGSTOP");
    killHub();
    node.kill("SIGKILL");
    const seen: unknown[] = [];
    while (!JSON.stringify(seen).includes('"leave"')) seen.push(await next());
    expect(seen.at(-1)).toMatchObject({ type: "leave", reason: "lost" });
    expect(seen.filter((event) => (event as { type: string }).type === "leave")).toHaveLength(1);
    await events.return();
    await here.close();
    expect(isAlive(other.child.pid as number)).toBe(true);
  });
});

describe("requests and channels", () => {
  it("a responder answers again when the hub was killed", async () => {
    using _ = await new Going("msg", "respond", "again", "double").ready();
    expect(await cluster.tree.peers.request("again", 1)).toBe(2);
    killHub();
    // What is sent to a hub that just died is lost with it; a write is sent again.
    await cluster.tree.set("a", 1);
    expect(await cluster.tree.peers.request("again", 2)).toBe(4);
  });

  it("a request whose responder is killed fails, and is not done by another", async () => {
    using responder = await new Going("msg", "respond", "dies", "double").ready();
    responder.child.kill("SIGSTOP");
    const asked = cluster.tree.peers.request("dies", 1);
    asked.catch(() => {});
    // Behind the request, and never past the hub.
    await cluster.tree.set("behind", 1);
    responder.child.kill("SIGKILL");
    await expect(asked).rejects.toMatchObject({ code: "ENGINE_RESPONDER_LOST" });
  });

  it("a channel through the hub carries remote objects, and breaks with the hub on both sides", async () => {
    const door = cluster.tree.peers.accept("door", (channel) => {
      void openSession(channel, { exports: { echo: (text: string) => text } });
    });
    await door.ready;
    const session = await openSession(await cluster.tree.peers.connect("door"));
    const echo = session.remote<(text: string) => string>("echo");
    expect(await echo("a".repeat(3_000_000))).toHaveLength(3_000_000);
    killHub();
    await expect(echo("b")).rejects.toMatchObject({ code: "REMOTE_BROKEN" });
    await cluster.tree.set("a", 1);
    await using again = await openSession(await cluster.tree.peers.connect("door"));
    expect(await again.remote<(text: string) => string>("echo")("c")).toBe("c");
    await door.close();
  });
});
