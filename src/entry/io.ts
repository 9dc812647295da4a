/** What the thread runs that talks to other processes for one that blocks. */
import { MessageChannel, type MessagePort, parentPort } from "node:worker_threads";

import { systemClock } from "../base/clock.ts";
import { BanyanError, ChannelError } from "../base/errors.ts";
import type { Channel, Listen } from "../channel/channel.ts";
import type { IoOrder, IoStatus } from "../channel/io-thread.ts";
import { Bell, mailbox } from "../channel/mailbox.ts";
import { OutletOwner, type SharedDialOptions } from "../channel/outlet.ts";
import { relay } from "../channel/relay.ts";
import type { StreamChannel } from "../channel/stream.ts";
import { threadChannel } from "../channel/thread.ts";
import { beat, watchSilence } from "../remote/heartbeat.ts";

if (parentPort === null) throw new Error("this file is the entry of a worker thread");

// What is asked for here comes from another process, by way of the event loop.
mailbox.lingers = false;

const DIAL_MS = 10_000;
/** How often within the time in which nothing may come the socket is taken back from a thread that computes. */
const LOOKS = 8;

interface Status {
  readonly port: MessagePort;
  readonly bell: Bell;
}

interface Transport {
  readonly dial: (address: string, options: SharedDialOptions) => Promise<StreamChannel>;
  readonly listen: Listen;
}

const TRANSPORTS: Readonly<Record<string, () => Promise<Transport>>> = {
  unix: async () => {
    const { dialUnix, listenUnix } = await import("../channel/unix.ts");
    return { dial: dialUnix, listen: listenUnix };
  },
  tcp: async () => {
    const { dialTcp, listenTcp } = await import("../channel/tcp.ts");
    return { dial: dialTcp, listen: listenTcp };
  },
};

parentPort.on("message", (order: IoOrder) => {
  void (order.order === "dial" ? dial(order) : listen(order));
});

async function dial({ url, limits, port, status, bell }: IoOrder): Promise<void> {
  if (port === undefined) return;
  const outlet = new OutletOwner();
  outlet.inlet.ringWhenGiven(new Bell(bell));
  let far: StreamChannel | undefined;
  // Whoever writes at the moment is heard anyway, and a frame that has begun comes first.
  const maySend = (): boolean => outlet.tryEnter();
  const onBeat = (everyMs: number): void => {
    if (far !== undefined) beat(far, systemClock, everyMs, maySend);
  };
  const onWatch = (silentMs: number): void => {
    if (far === undefined) return;
    watchSilence(far, systemClock, silentMs, maySend);
    const timer = setInterval(() => outlet.inlet.takeUnused(), silentMs / LOOKS);
    void far.closed.then(() => clearInterval(timer));
  };
  const onRung = (): void => {
    const read = outlet.inlet.takeReturned();
    if (read !== undefined) far?.takeRead(read);
  };
  const near = threadChannel(port, { label: url, limits, onRung, onBeat, onWatch });
  // The channel lasts as long as the socket it leads to, which keeps this thread alive.
  try {
    const transport = await transportOf(url);
    const signal = AbortSignal.timeout(DIAL_MS);
    const dialled = await transport.dial(url, { signal, limits, outlet });
    far = dialled;
    const { pass } = outlet;
    // Before anything comes from there.
    if (pass !== undefined) tellOf(status, { status: "connected", pass });
    relay(near, dialled, (message) =>
      outlet.take() ? dialled.sendRest(message) : dialled.send(message),
    );
    status.close();
  } catch (error) {
    tellOf(status, failureOf(error));
    near.abort(new ChannelError("CHANNEL_REFUSED"));
  }
}

async function listen({ url, limits, status: port, bell }: IoOrder): Promise<void> {
  const status: Status = { port, bell: new Bell(bell) };
  try {
    const transport = await transportOf(url);
    const listener = await transport.listen(url, (channel) => accept(channel, status), { limits });
    port.on("message", () => {
      void (async () => {
        await listener.close();
        port.close();
      })();
    });
    tell(status, { status: "listening", address: listener.address });
  } catch (error) {
    tell(status, failureOf(error));
    port.close();
  }
}

function accept(channel: Channel, status: Status): void {
  const { port1, port2 } = new MessageChannel();
  const onBeat = (everyMs: number): void => beat(channel, systemClock, everyMs);
  const onWatch = (silentMs: number): void => watchSilence(channel, systemClock, silentMs);
  relay(threadChannel(port1, { label: channel.label, onBeat, onWatch }), channel);
  tell(status, { status: "accepted", port: port2, label: channel.label });
}

function tellOf(port: MessagePort, told: IoStatus): void {
  port.postMessage(told);
}

/** Tells also a thread that blocks. */
function tell({ port, bell }: Status, told: IoStatus): void {
  port.postMessage(told, told.status === "accepted" ? [told.port] : []);
  bell.ring();
}

function failureOf(error: unknown): IoStatus {
  const message = error instanceof Error ? error.message : String(error);
  return {
    status: "failed",
    code: BanyanError.is(error) ? error.code : "CHANNEL_REFUSED",
    message,
  };
}

async function transportOf(url: string): Promise<Transport> {
  const scheme = url.slice(0, Math.max(0, url.indexOf(":")));
  const load = Object.hasOwn(TRANSPORTS, scheme) ? TRANSPORTS[scheme] : undefined;
  if (load !== undefined) return await load();
  const known = Object.keys(TRANSPORTS).join(":, ");
  throw new ChannelError("CHANNEL_REFUSED", `can't reach ${url}: use one of ${known}:`);
}
