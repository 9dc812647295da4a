import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Listener } from "../../src/channel/channel.ts";
import { listen, type Session } from "../../src/remote.ts";
import type * as remoteOfPage from "../../src/remote-browser.ts";
import { chromiumMissing, startChromium } from "./chromium.ts";
import { ROOT } from "./kit.ts";

const missing = chromiumMissing();
if (missing !== undefined)
  process.stderr.write(`\nSKIPPED: banyan/remote in Chromium: ${missing}\n\n`);

/** What the page loads: the built package. */
const IMPORTS = { imports: { "banyan/remote": "/dist/remote-browser.js" } };
const PAGE = `<!doctype html><script type="importmap">${JSON.stringify(IMPORTS)}</script>
<script type="module">window.remote = await import("banyan/remote");</script>`;

class Counter {
  #count = 0;
  add(by: number): number {
    return (this.#count += by);
  }
}

/** What the server offers. */
const api = {
  add: (a: number, b: number) => a + b,
  echo: (value: unknown) => value,
  each: async (to: number, then: (n: number) => Promise<number>) => {
    let sum = 0;
    for (let i = 1; i <= to; i++) sum += await then(i);
    return sum;
  },
  fail: () => {
    throw new RangeError("out of range");
  },
  Counter,
  async *count(to: number) {
    for (let i = 1; i <= to; i++) yield i;
  },
  never: () => new Promise(() => {}),
};

/** What the page's script has put in its globals. */
interface InPage {
  readonly remote: typeof remoteOfPage;
}

describe.skipIf(missing !== undefined)("banyan/remote in Chromium", () => {
  let browser: Browser;
  let http: Server;
  let listener: Listener;
  let page: Page;
  let url: string;
  let target: string;
  let accepted = deferred<Session>();
  const problems: string[] = [];

  beforeAll(async () => {
    http = createServer((request, response) => {
      const path = join(ROOT, request.url ?? "/");
      const isFile = /^\/dist\/[\w./-]+\.js$/.test(request.url ?? "");
      response.setHeader("content-type", isFile ? "text/javascript" : "text/html");
      if (isFile && !existsSync(path)) response.writeHead(404).end();
      else response.end(isFile ? readFileSync(path) : PAGE);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as { port: number };
    url = `http://127.0.0.1:${port}/`;
    target = `ws://127.0.0.1:${port}/objects`;
    listener = await listen(target, {
      exports: { api },
      server: http,
      onSession: (session) => accepted.resolve(session),
    });
    browser = await startChromium();
  });

  beforeEach(async () => {
    accepted = deferred();
    page = await browser.newPage();
    problems.length = 0;
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(url);
    await page.waitForFunction("window.remote !== undefined");
    return async () => {
      await page.close();
      if (problems.length > 0) throw new Error(`the page failed: ${problems.join("; ")}`);
    };
  });

  afterAll(async () => {
    await browser.close();
    await listener.close();
    http.close();
  });

  it("calls, passes values of many kinds and gets the same back", async () => {
    const result = await page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address);
      const stub = session.remote<typeof api>("api");
      const at = new Date(5);
      const map = new Map([[1, "a"]]);
      const out = {
        sum: await stub.add(1, 2),
        date: ((await stub.echo(at)) as Date).getTime(),
        big: String(await stub.echo(12n ** 30n)),
        same: (await stub.echo(map)) === (map as unknown),
        names: await session.names(),
      };
      await session.close();
      return out;
    }, target);
    expect(result).toEqual({
      sum: 3,
      date: 5,
      big: String(12n ** 30n),
      same: true,
      names: ["api"],
    });
  });

  it("is called back by the server, while it waits and afterwards", async () => {
    const result = await page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address, {
        exports: { title: () => "a page" },
      });
      const stub = session.remote<typeof api>("api");
      const seen: number[] = [];
      const sum = await stub.each(3, async (n: number) => {
        seen.push(n);
        return n * 10;
      });
      return { sum, seen };
    }, target);
    expect(result).toEqual({ sum: 60, seen: [1, 2, 3] });
    const session = await accepted.promise;
    expect(await session.remote<() => string>("title")()).toBe("a page");
    await session.close();
  });

  it("gets errors as what they are, classes, and iterations", async () => {
    const result = await page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address);
      const stub = session.remote<typeof api>("api");
      const error = await stub.fail().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const counter = await new stub.Counter();
      await counter.add(2);
      const numbers: number[] = [];
      for await (const n of stub.count(200)) numbers.push(n);
      const out = {
        isRange: error instanceof RangeError,
        message: (error as Error).message,
        counted: await counter.add(3),
        numbers: numbers.length,
      };
      await session.close();
      return out;
    }, target);
    expect(result).toEqual({ isRange: true, message: "out of range", counted: 5, numbers: 200 });
  });

  it("carries bytes both ways, also more than the window of the channel", async () => {
    const result = await page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address);
      const stub = session.remote<typeof api>("api");
      const sizes = [0, 1, 100_000, 8 * 1024 * 1024];
      const back = await Promise.all(
        sizes.map(
          (size) => stub.echo(new Uint8Array(size).fill(size % 251)) as Promise<Uint8Array>,
        ),
      );
      const isSame = back.every((bytes, i) =>
        bytes.every((byte) => byte === (sizes[i] ?? 0) % 251),
      );
      await session.close();
      return { isSame, sizes: back.map((bytes) => bytes.length) };
    }, target);
    expect(result).toEqual({ isSame: true, sizes: [0, 1, 100_000, 8 * 1024 * 1024] });
  });

  it("fails what is pending when the server goes, and the server sees a page that goes", async () => {
    const outcome = page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address);
      const stub = session.remote<typeof api>("api");
      return await stub.never().then(
        () => "answered",
        (error: unknown) => (error as { code: string }).code,
      );
    }, target);
    const first = await accepted.promise;
    await expect.poll(() => first.stats().serving).toBe(1);
    first.abort(new Error("enough"));
    expect(await outcome).toBe("REMOTE_BROKEN");

    accepted = deferred();
    await page.evaluate(async (address) => {
      const { remote } = globalThis as unknown as InPage;
      const session = await remote.connect(address);
      await session.names();
    }, target);
    const second = await accepted.promise;
    await page.goto("about:blank");
    expect(await second.closed).toMatchObject({ code: "REMOTE_BROKEN" });
  });

  it("is refused where the page comes from elsewhere", async () => {
    const elsewhere = createServer((_request, response) => response.end("<!doctype html>"));
    elsewhere.listen(0, "127.0.0.1");
    await once(elsewhere, "listening");
    const { port } = elsewhere.address() as { port: number };
    const other = await browser.newPage();
    await other.goto(`http://127.0.0.1:${port}/`);
    const outcome = await other.evaluate(
      (address) =>
        new Promise((resolve) => {
          const socket = new WebSocket(address);
          socket.addEventListener("open", () => resolve("open"));
          socket.addEventListener("close", () => resolve("refused"));
        }),
      target,
    );
    expect(outcome).toBe("refused");
    await other.close();
    elsewhere.close();
  });
});
