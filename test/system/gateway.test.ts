/** What is done with one gateway, over real processes and threads. */
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { join } from "node:path";

import { type Gateway, type GatewayChannel, openGateway } from "banyan/gateway";
import { isRemote } from "banyan/remote";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { temporaryFolder } from "./kit.ts";

let gateway: Gateway;
let log = "";

beforeAll(async () => {
  gateway = await openGateway("popen//id=one", { onLog: (text) => (log += text) });
});
afterAll(() => gateway.terminate());

/** Between tests nothing is left over there. */
async function expectIdle(): Promise<void> {
  expect(await gateway.status()).toMatchObject({ executing: 0, channels: 0 });
}

describe("exec()", () => {
  it("runs source, and the channel carries what it sends", async () => {
    const channel = gateway.exec("channel.send(6 * 7)");
    expect(await channel.receive()).toBe(42);
    expect(await channel.result).toBeUndefined();
    expect(await gateway.exec("6 * 7").result).toBe(42);
    await expectIdle();
  });

  it("runs a function with its arguments, and a module of this side", async () => {
    const run = gateway.exec(
      (channel, a: number, { b }: { b: number }) => {
        void channel.send(process.pid);
        return a + b;
      },
      [1, { b: 2 }],
    );
    expect(await run.receive()).toBe(gateway.info.pid);
    expect(await run.result).toBe(3);
    using folder = temporaryFolder();
    const file = join(folder.path, "sent.ts");
    const text = `import { platform } from "node:os";
      export default (_: unknown, word: string) => [word, platform()];`;
    writeFileSync(file, text);
    expect(await gateway.exec({ file }, ["x"]).result).toEqual(["x", process.platform]);
  });

  it("throws at once what can't be sent, and nothing stays behind", async () => {
    const outer = {};
    expect(() => gateway.exec(() => outer)).toThrow(expect.objectContaining({ code: "GATEWAY_SOURCE" })); // prettier-ignore
    const bad = { get a(): never { throw new RangeError("no a") } }; // prettier-ignore
    expect(() => gateway.exec("1", [bad])).toThrow(new RangeError("no a"));
    await expectIdle();
  });

  it("brings errors back as they are, with the place in what was sent (E11)", async () => {
    const failed = gateway.exec("await 0;\nthrow new RangeError('far', { cause: 7 })");
    await expect(failed.result).rejects.toThrow(RangeError);
    await expect(failed.receive()).rejects.toMatchObject({ message: "far", cause: 7 });
    await expect(failed.waitClosed()).rejects.toThrow("far");
    expect((await failed.closed)?.stack).toMatch(/one\/exec-\d+\.js:2:7/);
    const broken = gateway.exec("let a = 1;\nlet b = = 2;");
    await expect(broken.result).rejects.toThrow(SyntaxError);
    expect((await broken.closed)?.stack).toMatch(/one\/exec-\d+\.js:2\n/);
    await expectIdle();
  });

  it("runs much at once, and the status counts it (G08)", async () => {
    const runs = Array.from({ length: 10 }, (_, i) =>
      gateway.exec("await channel.receive(); return args[0]", [i]),
    );
    expect(await gateway.status()).toMatchObject({ executing: 10, channels: 10 });
    for (const run of runs.toReversed()) void run.send("go");
    expect(await Promise.all(runs.map((run) => run.result))).toEqual([...runs.keys()]);
    await expectIdle();
  });

  it("gives up when its signal does, and tells the code", async () => {
    const controller = new AbortController();
    const told = gateway.newChannel();
    const run = gateway.exec(
      async (channel, there: GatewayChannel) => {
        channel.signal.addEventListener("abort", () => {
          void there.send(String(channel.signal.reason));
        });
        void there.send("ready");
        await channel.closed;
      },
      [told],
      { signal: controller.signal },
    );
    expect(await told.receive()).toBe("ready");
    controller.abort(new Error("enough"));
    await expect(run.result).rejects.toThrow("enough");
    expect(await told.receive()).toBe("Error: enough");
    told.close();
    await told.closed;
    await expectIdle();
  });

  it("leaves nothing of a run behind, here or there", async () => {
    const heapAfter = async (runs: number): Promise<number> => {
      for (let i = 0; i < runs; i++) await gateway.exec("args[0]", [i]).result;
      const collect = `const { setFlagsFromString } = require("v8");
        setFlagsFromString("--expose-gc");
        require("vm").runInNewContext("gc")();
        await new Promise(setImmediate);
        return process.memoryUsage().heapUsed`;
      return await gateway.exec<number>(collect).result;
    };
    // What went before may have left errors, whose originals are held until these are collected here.
    const { imports } = gateway.session.stats();
    const before = await heapAfter(1_000);
    expect((await heapAfter(5_000)) - before).toBeLessThan(2_000_000);
    const after = gateway.session.stats();
    expect(after).toMatchObject({ exports: 0, pending: 0 });
    expect(after.imports).toBeLessThanOrEqual(imports);
    await expectIdle();
  });

  it("outlives errors that nobody handles", async () => {
    await gateway.exec("setTimeout(() => { throw new Error('stray') }); Promise.reject(7)").result;
    await expect.poll(() => log).toMatch(/unhandledRejection.*7[^]*uncaughtException.*stray/);
    expect(await gateway.exec("1").result).toBe(1);
  });
});

describe("what the far side prints", () => {
  it("harms nothing, however it is printed (G04)", async () => {
    const run = gateway.exec(`
      import { spawn } from "node:child_process";
      import { once } from "node:events";
      import { writeSync } from "node:fs";
      // A pipe that nobody has read for a moment takes no raw write, as in any program of Node.
      const raw = (fd, text) => {
        for (;;) {
          try {
            return writeSync(fd, text);
          } catch (error) {
            if (error.code !== "EAGAIN") throw error;
          }
        }
      };
      for (let i = 0; i < 100; i++) {
        process.stdout.write(\`written \${i}\n\`);
        raw(1, "raw\\n");
        raw(2, "err\\n");
        console.log("logged");
        await channel.send(i);
      }
      const child = spawn("sh", ["-c", "echo inherited; cat"], { stdio: "inherit" });
      await once(child, "exit");
      return "done";
    `);
    let count = 0;
    for await (const item of run) expect(item).toBe(count++);
    expect([count, await run.result]).toEqual([100, "done"]);
    await expect.poll(() => log).toMatch(/written 0[^]*raw[^]*logged[^]*inherited/);
  });
});

describe("import() and objects", () => {
  it("uses a module over there, also before it is there", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    const fs = gateway.import<typeof FileSystem>("node:fs/promises");
    await fs.writeFile(file, "text");
    expect(await fs.readFile(file, { encoding: "utf8" })).toBe("text");
    expect((await fs.readFile(file)).length).toBe(4);
    expect(await (await fs.stat(file)).isFile()).toBe(true);
    await expect(fs.readFile(join(folder.path, "none"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(Promise.resolve(gateway.import("no-such-package"))).rejects.toMatchObject({
      code: "ERR_MODULE_NOT_FOUND",
    });
  });

  it("finds modules and packages from where the far side works", async () => {
    using folder = temporaryFolder();
    await using there = await openGateway({ popen: true, chdir: join(folder.path, "new") });
    const fs = there.import<typeof FileSystem>("node:fs/promises");
    await fs.mkdir("node_modules/pack", { recursive: true });
    await fs.writeFile("node_modules/pack/package.json", `{"exports":{"import":"./i.mjs"}}`);
    await fs.writeFile("node_modules/pack/i.mjs", "export const name = 'pack'");
    await fs.writeFile(
      "own.mjs",
      "export { name } from 'pack'; export const url = import.meta.url",
    );
    const own = there.import<{ name: string; url: string }>("./own.mjs");
    expect(await own.name).toBe("pack");
    expect(await own.url).toContain("/new/own.mjs");
    expect(await there.exec("(await import('pack')).name").result).toBe("pack");
    expect(there.info.cwd).toBe(realpathSync(join(folder.path, "new")));
  });

  it("shares objects by name, both ways (G14, E13)", async () => {
    await gateway.exec(async (channel) => {
      class A {
        async method(f: () => Promise<number>): Promise<number> {
          return (await f()) + 3;
        }
      }
      channel.gateway.expose("a", new A());
    }).result;
    const a = gateway.remote<{ method(f: () => number): Promise<number> }>("a");
    expect(await a.method(() => 13)).toBe(16);
    expect(await gateway.names()).toEqual(["a"]);
    gateway.expose("here", { twice: (n: number) => n * 2 });
    const used = gateway.exec("[await channel.gateway.remote('here').twice(4), await channel.gateway.names()]"); // prettier-ignore
    expect(await used.result).toEqual([8, ["here"]]);
    await expect(Promise.resolve(gateway.remote("b"))).rejects.toMatchObject({
      code: "REMOTE_NOT_FOUND",
      message: expect.stringContaining("there is a"),
    });
    gateway.expose("here", undefined);
    await expect(gateway.exec("await channel.gateway.remote('here')").result).rejects.toMatchObject(
      {
        code: "REMOTE_NOT_FOUND",
      },
    );
  });

  it("evaluates with variables of this side", async () => {
    const scope = { n: 4, add: (a: number, b: number) => a + b };
    expect(await gateway.evaluate("await add(await n, 1)", { scope })).toBe(5);
    expect(await gateway.evaluate("(await import('node:os')).platform()")).toBe(process.platform);
    expect(isRemote(await gateway.evaluate("new Map()"))).toBe(true);
  });

  it("gives code of the far side no more than objects of this side offer (Z14)", async () => {
    class Account {
      pin = 1234;
      check(pin: number): boolean {
        return pin === this.pin;
      }
    }
    const look = "const a = await args[0]; return [await a.check(1234), await a.pin]";
    await expect(gateway.exec(look, [new Account()]).result).rejects.toMatchObject({
      code: "REMOTE_DENIED",
    });
    await using trusted = await openGateway("worker", { policy: "trusted" });
    expect(await trusted.exec(look, [new Account()]).result).toEqual([true, 1234]);
  });
});

describe("the process", () => {
  it("has the environment, directory, priority and program of its spec (G12)", async () => {
    using folder = temporaryFolder();
    const node = process.execPath;
    const spec = `popen//id=x//env:A=1//env:B=b=c//chdir=${folder.path}/d//nice=5//node=${node}`;
    await using there = await openGateway(spec);
    expect(there.id).toBe("x");
    expect(await there.exec("[process.env.A, process.env.B]").result).toEqual(["1", "b=c"]);
    expect(await there.exec("require('os').getPriority()").result).toBe(5);
    expect(await there.exec("process.execPath").result).toBe(node);
    expect(there.info).toMatchObject({ cwd: join(realpathSync(folder.path), "d"), node: process.versions.node }); // prettier-ignore
  });

  it.each([
    ["popen//node=/nowhere/node", /\/nowhere\/node ENOENT/],
    ["popen//node=/bin/false", /exited with code 1/],
    ["popen//chdir=/etc/hostname", /ENOTDIR/],
    // Making this folder in one step would never end.
    ["popen//chdir=/proc/none/here", /ENOENT/],
    ["popen//via=other", /via names a gateway of a group/],
  ])("of %s does not start, which says why", async (spec, why) => {
    await expect(openGateway(spec)).rejects.toMatchObject({
      name: "GatewayError",
      message: expect.stringMatching(why),
    });
  });

  it("is not left behind when its signal gives up", async () => {
    using folder = temporaryFolder();
    const pidFile = join(folder.path, "pid");
    const node = join(folder.path, "node");
    writeFileSync(node, `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 60\n`, { mode: 0o700 });
    const controller = new AbortController();
    const opening = openGateway({ popen: true, node }, { signal: controller.signal });
    await expect.poll(() => existsSync(pidFile) && readFileSync(pidFile, "utf8")).toMatch(/\n/);
    controller.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
    const pid = Number(readFileSync(pidFile, "utf8"));
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});
