/** Channels of gateways (G06), after execnet's own tests of them. */
import { type Gateway, type GatewayChannel, openGateway } from "banyan/gateway";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

const ENDED = { name: "GatewayError", code: "GATEWAY_CHANNEL_CLOSED" };

describe.each(["popen", "worker"])("channels of a %s", (spec) => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway(spec);
  });
  afterAll(() => gateway.terminate());
  afterEach(async () => {
    const { executing, channels } = await gateway.status();
    if (executing + channels > 0) throw new Error(`left: ${executing} runs, ${channels} channels`);
  });

  /** Code that sends back what it gets, until the channel ends. */
  const ECHO = "for await (const item of channel) await channel.send(item)";

  it("carry plain data as copies, and everything else as remote objects do", async () => {
    const echo = gateway.exec(ECHO);
    const items = [null, undefined, 1n << 80n, -0, "\ud800", { a: [1, { b: 2 }] }, new Date(5), [Uint8Array.of(1)]]; // prettier-ignore
    for (const item of items) void echo.send(item);
    for (const item of items) expect(await echo.receive()).toStrictEqual(item);
    const own = new Map();
    void echo.send({ own });
    expect(await echo.receive()).toEqual({ own });
    void echo.send(own);
    expect(await echo.receive()).toBe(own);
    echo.close();
    await echo.result;
  });

  it("are iterated until the end, which comes again and again", async () => {
    const run = gateway.exec("for (let i = 0; i < 3; i++) channel.send(i)");
    const got = [];
    for await (const item of run) got.push(item);
    expect(got).toEqual([0, 1, 2]);
    for (let i = 0; i < 3; i++) await expect(run.receive()).rejects.toMatchObject(ENDED);
    for await (const item of run) got.push(item);
    expect(got.length).toBe(3);
    expect(run.isClosed).toBe(true);
    expect(() => run.send(1)).toThrow(expect.objectContaining(ENDED));
    await run.waitClosed();
  });

  it("give up waiting when the signal does, and lose nothing by it", async () => {
    const run = gateway.exec("channel.send(await channel.receive())");
    await expect(run.receive({ signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    await expect(run.waitClosed({ signal: AbortSignal.abort(7) })).rejects.toBe(7);
    void run.send("x");
    expect(await run.receive()).toBe("x");
    await run.result;
  });

  it("closed over there with an error throw that, after what came before", async () => {
    const run = gateway.exec("channel.send(1); channel.close(new RangeError('over')); return 2");
    expect(await run.receive()).toBe(1);
    await expect(run.receive()).rejects.toThrow(new RangeError("over"));
    await expect(run.waitClosed()).rejects.toThrow("over");
    expect(await run.result).toBe(2);
  });

  it("closed here end the loop over there, and give their error to it", async () => {
    const orderly = gateway.exec("let n = 0; for await (const _ of channel) n++; return n");
    void orderly.send(1);
    orderly.close();
    expect(await orderly.result).toBe(1);
    const failing = gateway.exec("try { await channel.receive() } catch (e) { return e }");
    failing.close(new TypeError("mine"));
    expect(await failing.result).toEqual(new TypeError("mine"));
  });

  it("cross inside structures, as arguments, and come back as themselves", async () => {
    const mine = gateway.newChannel();
    const run = gateway.exec(
      `const { deep: [first] } = await channel.receive();
       const [second] = args;
       const theirs = await channel.receive();
       await first.send("by mine");
       await channel.send([first === second, first === theirs, { deep: first }, channel]);
       await first.closed; return first.isClosed`,
      [mine],
    );
    void run.send({ deep: [mine] });
    void run.send(mine);
    expect(await mine.receive()).toBe("by mine");
    const [a, b, { deep }, itself] = (await run.receive()) as [boolean, boolean, { deep: unknown }, unknown]; // prettier-ignore
    expect([a, b, deep === mine, itself === run]).toEqual([true, true, true, true]);
    mine.close();
    expect(await run.result).toBe(true);
  });

  it("cross other channels, also those that code over there makes", async () => {
    const run = gateway.exec(
      `const carrier = await channel.receive();
       const carried = await carrier.receive();
       await carried.send("through");
       await carrier.closed; await carried.closed;`,
    );
    const carrier = gateway.newChannel();
    const carried = gateway.newChannel();
    void run.send(carrier);
    void carrier.send(carried);
    expect(await carried.receive()).toBe("through");
    carrier.close();
    carried.close();
    await run.result;
  });

  it("that are closed cross as closed, and those of other gateways not at all", async () => {
    const closed = gateway.newChannel();
    closed.close();
    expect(await gateway.exec("args[0].isClosed", [closed]).result).toBe(true);
    await using other = await openGateway("worker");
    const foreign = other.newChannel();
    expect(() => gateway.exec("1", [foreign])).toThrow(/belongs to gateway/);
  });

  it("hand items to a callback, the waiting ones first, and the end marker last", async () => {
    const run = gateway.exec("for (let i = 0; i < 4; i++) await channel.send(i); await 0");
    await run.result;
    const got: unknown[] = [];
    run.setCallback((item) => got.push(item), { endMarker: "end" });
    expect(got).toEqual([0, 1, 2, 3, "end"]);
    expect(() => run.setCallback(() => {})).toThrow(TypeError);
    await expect(run.receive()).rejects.toThrow(TypeError);

    const echo = gateway.exec(
      "channel.setCallback((x) => channel.send(x + 1)); await channel.closed",
    );
    const ends: unknown[] = [];
    echo.setCallback((item) => ends.push(item) === 2 && echo.close(), { endMarker: undefined });
    void echo.send(1);
    void echo.send(2);
    await echo.result;
    expect(ends).toEqual([2, 3, undefined]);
  });

  it("are closed with the error that a callback throws", async () => {
    const run = gateway.exec(
      "channel.setCallback(() => { throw new RangeError('no') }); await channel.closed",
    );
    void run.send(1);
    await expect(run.waitClosed()).rejects.toThrow(new RangeError("no"));
    await run.result;
  });

  it("carry 100,000 items in order", async () => {
    const count = 100_000;
    const run = gateway.exec("for (let i = 0; i < args[0]; i++) await channel.send(i)", [count]);
    let next = 0;
    for await (const item of run)
      if (item !== next++) throw new Error(`${String(item)} at ${next}`);
    expect(next).toBe(count);
    await run.result;
  });

  it("let a sender run ahead by the window only", async () => {
    const probe: GatewayChannel<number> = gateway.newChannel();
    const run = gateway.exec(
      `let sent = 0;
       args[0].setCallback(() => args[0].send(sent));
       for (; sent < 10_000; sent++) await channel.send(sent);
       await args[0].closed;`,
      [probe],
    );
    const ask = async (): Promise<number> => {
      void probe.send("how many");
      return await probe.receive();
    };
    expect(await run.receive()).toBe(0);
    let before = -1;
    let sent = await ask();
    // Until it stands still: what is under way arrives.
    for (; sent !== before; sent = await ask()) before = sent;
    expect(sent).toBeLessThan(1_000);
    for (let i = 1; i < 10_000; i++) expect(await run.receive()).toBe(i);
    expect(await ask()).toBe(10_000);
    probe.close();
    await run.result;
  });
});
