import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { Outlet, OutletOwner } from "../../src/channel/outlet.ts";
import { dialTcp } from "../../src/channel/tcp.ts";
import { temporaryFolder } from "../system/kit.ts";
import { listenAnywhere } from "./outlet-server.ts";

/** A message of `size` bytes that begins with its number. */
function numbered(number: number, size: number): Uint8Array {
  const message = new Uint8Array(size).fill(number & 0xff);
  new DataView(message.buffer).setUint32(0, number);
  return message;
}

describe("Outlet", () => {
  it("sends in order together with the owner, also where the peer doesn't read and frames are cut", async () => {
    await using server = await listenAnywhere();
    const owner = new OutletOwner();
    const channel = await dialTcp(server.address, {
      signal: AbortSignal.timeout(10_000),
      outlet: owner,
    });
    const outlet = new Outlet();
    if (owner.pass !== undefined) outlet.open(owner.pass);
    const count = 3_000;
    const ways = { here: 0, owner: 0, rest: 0 };
    const sizes: number[] = [];
    let byOwner = 0;
    for (let i = 0; i < count; i++) {
      const size = 4 + ((i * 7_919) % 16_000);
      sizes.push(size);
      const left = outlet.write(numbered(i, size), byOwner);
      if (left === undefined) {
        ways.here++;
        continue;
      }
      byOwner++;
      const isRest = owner.take();
      ways[isRest ? "rest" : "owner"]++;
      if (isRest) channel.sendRest(left);
      else channel.send(left);
    }
    expect(ways.here).toBeGreaterThan(0);
    expect(ways.rest).toBeGreaterThan(0);
    const received = await server.read(count);
    expect(received.map((message) => message.length)).toEqual(sizes);
    expect(received.every((message, i) => message.readUInt32BE(0) === i)).toBe(true);
    // What waited has left: it is written here again.
    await channel.drained();
    expect(outlet.write(numbered(count, 10), byOwner)).toBeUndefined();
    await server.read(1);
    channel.abort(new ChannelError("CHANNEL_CLOSED"));
  });

  it("writes nothing once the socket is closed, whoever has its number then", async () => {
    await using server = await listenAnywhere();
    const owner = new OutletOwner();
    const signal = AbortSignal.timeout(10_000);
    const channel = await dialTcp(server.address, { signal, outlet: owner });
    const outlet = new Outlet();
    if (owner.pass !== undefined) outlet.open(owner.pass);
    const message = numbered(0, 10);
    expect(outlet.write(message, 0)).toBeUndefined();
    channel.abort(new ChannelError("CHANNEL_CLOSED"));
    // The system gives the lowest number that is free.
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    const numbers = Array.from({ length: 64 }, () => openSync(file, "a"));
    expect(outlet.write(message, 0)).toBe(message);
    for (const number of numbers) closeSync(number);
    expect(statSync(file).size).toBe(0);
  });

  it("leaves all to the owner until it has a way", () => {
    const message = numbered(0, 10);
    expect(new Outlet().write(message, 0)).toBe(message);
  });
});
