import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import { Inlet } from "../../src/channel/inlet.ts";
import { OutletOwner } from "../../src/channel/outlet.ts";
import type { StreamChannel } from "../../src/channel/stream.ts";
import { dialTcp } from "../../src/channel/tcp.ts";

/** A message of `size` bytes, each of them `byte`, as it is on the wire. */
function frame(byte: number, size = 8): Buffer {
  const bytes = Buffer.alloc(4 + size, byte);
  bytes.writeUInt32LE(size, 0);
  return bytes;
}

interface Parts extends AsyncDisposable {
  readonly peer: Socket;
  readonly owner: OutletOwner;
  readonly inlet: Inlet;
  readonly channel: StreamChannel;
  readonly rings: () => number;
  /** What came by the owner. */
  readonly received: Uint8Array[];
  /** Resolves with the next that comes by the owner. */
  next(): Promise<Uint8Array>;
  /** Has the inlet get the socket. */
  give(): Promise<void>;
  look(isRung?: () => boolean): { message: Uint8Array | undefined; returned: boolean };
}

/** Answers come so fast that it asks for the socket. */
function beQuick(inlet: Inlet): void {
  for (let i = 0; i < 20; i++) inlet.waited(0);
}

async function open(): Promise<Parts> {
  const server = createServer({ allowHalfOpen: true });
  const connected = once(server, "connection") as Promise<[Socket]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const owner = new OutletOwner();
  let rings = 0;
  owner.inlet.ringWhenGiven({ ring: () => rings++ });
  const signal = AbortSignal.timeout(10_000);
  const channel = await dialTcp(`tcp://127.0.0.1:${port}`, { signal, outlet: owner });
  const [peer] = await connected;
  peer.setNoDelay();
  const inlet = new Inlet(true);
  if (owner.pass !== undefined) inlet.open({ fd: owner.pass.fd, memory: owner.pass.inlet });
  const received: Uint8Array[] = [];
  let coming = deferred<Uint8Array>();
  channel.receive((message) => {
    received.push(message);
    coming.resolve(message);
    coming = deferred();
  });
  const next = (): Promise<Uint8Array> => coming.promise;
  return {
    peer,
    owner,
    inlet,
    channel,
    received,
    next,
    rings: () => rings,
    give: async () => {
      beQuick(inlet);
      const came = next();
      peer.write(frame(0));
      await came;
      expect([inlet.isMine, rings > 0]).toEqual([true, true]);
    },
    look: (isRung = () => false) => {
      let returned = false;
      const message = inlet.look(isRung, () => (returned = true));
      return { message, returned };
    },
    async [Symbol.asyncDispose]() {
      channel.abort(new ChannelError("CHANNEL_CLOSED"));
      peer.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What the owner does when it is told that it has the socket again. */
function takeBack({ owner, channel }: Parts): void {
  const read = owner.inlet.takeReturned();
  expect(read).toBeDefined();
  if (read !== undefined) channel.takeRead(read);
}

describe("Inlet", () => {
  it("gets the socket where answers are quick, and reads what comes then", async () => {
    await using parts = await open();
    for (let i = 0; i < 100; i++) parts.inlet.waited(10);
    const came = parts.next();
    parts.peer.write(frame(0));
    await came;
    expect([parts.inlet.isMine, parts.rings()]).toEqual([false, 0]);
    await parts.give();
    for (let i = 1; i <= 3; i++) {
      parts.peer.write(frame(i));
      expect(parts.look()).toEqual({ message: new Uint8Array(8).fill(i), returned: false });
    }
    expect(parts.received.length).toBe(2);
    expect(parts.owner.bytesRead).toBe(36);
  });

  it("gives it back where nothing comes, or it is told to, and the owner goes on", async () => {
    await using parts = await open();
    // In this order: who looked in vain for long, as on a busy machine, does not ask for it again at once.
    for (const how of ["told to", "nothing comes"]) {
      await parts.give();
      const returned = how === "told to" ? parts.inlet.giveBack() : parts.look().returned;
      expect(returned).toBe(true);
      expect([parts.inlet.isMine, parts.inlet.giveBack()]).toEqual([false, false]);
      const came = parts.next();
      parts.peer.write(frame(9));
      takeBack(parts);
      expect(await came).toEqual(new Uint8Array(8).fill(9));
    }
  });

  it("keeps it where something came elsewhere", async () => {
    await using parts = await open();
    await parts.give();
    expect(parts.look(() => true)).toEqual({ message: undefined, returned: false });
    expect(parts.inlet.isMine).toBe(true);
  });

  it("leaves to the owner whatever came with a message, whole or not, in order", async () => {
    await using parts = await open();
    await parts.give();
    const last = frame(3, 200_000);
    parts.peer.write(Buffer.concat([frame(1), frame(2), last.subarray(0, 10)]));
    expect(parts.look()).toEqual({ message: new Uint8Array(8).fill(1), returned: true });
    takeBack(parts);
    expect(parts.received[1]).toEqual(new Uint8Array(8).fill(2));
    const came = parts.next();
    parts.peer.write(last.subarray(10));
    expect((await came).length).toBe(200_000);
  });

  it("leaves to the owner what is larger than it has room for", async () => {
    await using parts = await open();
    await parts.give();
    parts.peer.write(frame(5, 1_000_000));
    expect(parts.look()).toEqual({ message: undefined, returned: true });
    const came = parts.next();
    takeBack(parts);
    const message = await came;
    expect([message.length, message.every((byte) => byte === 5)]).toEqual([1_000_000, true]);
  });

  it("leaves the end of the stream to the owner", async () => {
    await using parts = await open();
    await parts.give();
    parts.peer.end();
    expect(parts.look()).toEqual({ message: undefined, returned: true });
    takeBack(parts);
    expect(await parts.channel.closed).toBeUndefined();
  });

  it("asks no more where the owner said in between that it need not", async () => {
    await using parts = await open();
    beQuick(parts.inlet);
    expect(parts.inlet.giveBack()).toBe(false);
    const came = parts.next();
    parts.peer.write(frame(1));
    await came;
    expect([parts.inlet.isMine, parts.rings()]).toEqual([false, 0]);
  });

  it("gives a socket back that it doesn't use, when its owner wants it", async () => {
    await using parts = await open();
    await parts.give();
    parts.owner.inlet.takeUnused();
    expect(parts.look()).toEqual({ message: undefined, returned: false });
    const came = parts.next();
    parts.peer.write(frame(7));
    expect(await came).toEqual(new Uint8Array(8).fill(7));
  });

  it("reads nothing once the socket is closed, whoever has its number then", async () => {
    await using parts = await open();
    await parts.give();
    parts.peer.write(frame(1));
    parts.channel.abort(new ChannelError("CHANNEL_CLOSED"));
    expect(parts.look()).toEqual({ message: undefined, returned: false });
    expect([parts.inlet.isMine, parts.inlet.giveBack()]).toEqual([false, false]);
  });
});
