import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";

import { type BanyanError, ChannelError, errorFromCode } from "../base/errors.ts";
import { deferred } from "../base/deferred.ts";
import type { BlockingChannel, ChannelLimits, Listener } from "./channel.ts";
import { Inlet } from "./inlet.ts";
import { mailbox, type MailSource } from "./mailbox.ts";
import { Outlet, type OutletPass } from "./outlet.ts";
import { threadChannel } from "./thread.ts";

/** What the I/O thread is asked for. `status` hears how it went. */
export interface IoOrder {
  readonly order: "dial" | "listen";
  readonly url: string;
  readonly limits: Partial<ChannelLimits>;
  /** Of "dial": the end of the channel. */
  readonly port?: MessagePort;
  readonly status: MessagePort;
  /** To be rung when there is something for this thread. */
  readonly bell: SharedArrayBuffer;
}

/** What `status` hears: once how it began, and for a listener then each port of somebody who came. */
export type IoStatus =
  | { readonly status: "failed"; readonly code: string; readonly message: string }
  | { readonly status: "connected"; readonly pass: OutletPass }
  | { readonly status: "listening"; readonly address: string }
  | { readonly status: "accepted"; readonly port: MessagePort; readonly label: string };

/**
 * Talks to other processes while this thread blocks: a thread of its own, one for all sessions. It
 * starts with the first, and keeps no process alive but for listeners.
 */
export class IoThread {
  readonly #entry: URL;
  #worker: Worker | undefined;
  #listeners = 0;

  /** `entry` is the file that the thread runs. */
  constructor(entry: URL = new URL("../entry/io.js", import.meta.url)) {
    this.#entry = entry;
  }

  /** Does not wait: the first use of the channel finds out whether somebody was there. */
  dial(url: string, limits: Partial<ChannelLimits>): DialledChannel {
    const data = new MessageChannel();
    const status = new MessageChannel();
    status.port1.unref();
    const outlet = new Outlet();
    const inlet = new Inlet();
    const channel = threadChannel(data.port1, {
      label: url,
      limits,
      far: farOf(url),
      outlet,
      inlet,
    });
    const bell = mailbox.bell.memory;
    this.#post({ order: "dial", url, limits, port: data.port2, status: status.port2, bell });
    void channel.closed.then(() => status.port1.close());
    return {
      channel,
      failure: () => failureIn(status.port1),
      opened: () => {
        const pass = channel.ended === undefined ? passIn(status.port1) : undefined;
        if (pass === undefined) return;
        outlet.open(pass);
        inlet.open({ fd: pass.fd, memory: pass.inlet });
      },
    };
  }

  /** @throws ChannelError `CHANNEL_REFUSED` */
  async listen(
    url: string,
    limits: Partial<ChannelLimits>,
    onChannel: (channel: BlockingChannel) => void,
  ): Promise<Listener> {
    const { port1, port2 } = new MessageChannel();
    const begun = deferred<string>();
    const status = new StatusPort(port1, (told) => {
      if (told.status === "listening") begun.resolve(told.address);
      else if (told.status === "failed") begun.reject(toError(told));
      else if (told.status === "accepted")
        onChannel(threadChannel(told.port, { label: told.label, limits, far: farOf(url) }));
    });
    this.#post({ order: "listen", url, limits, status: port2, bell: mailbox.bell.memory });
    this.#listeners++;
    this.#worker?.ref();
    void this.#release(status.closed, begun.reject);
    const address = await begun.promise;
    const close = async (): Promise<void> => {
      // Whatever it is told means that.
      port1.postMessage("close");
      await status.closed;
    };
    let closing: Promise<void> | undefined;
    return {
      address,
      close: () => (closing ??= close()),
      [Symbol.asyncDispose]: () => (closing ??= close()),
    };
  }

  async #release(closed: Promise<void>, tell: (error: Error) => void): Promise<void> {
    await closed;
    if (--this.#listeners === 0) this.#worker?.unref();
    tell(new ChannelError("CHANNEL_CLOSED"));
  }

  #post(order: IoOrder): void {
    this.#worker ??= this.#start();
    const { port, status } = order;
    this.#worker.postMessage(order, port === undefined ? [status] : [port, status]);
  }

  #start(): Worker {
    // Not with the flags of this process: they may be for its own first file.
    const worker = new Worker(this.#entry, { name: "banyan i/o", execArgv: [] });
    worker.unref();
    worker.once("exit", () => {
      this.#worker = undefined;
    });
    return worker;
  }
}

/** Hears of peers also while the thread blocks: it may be for one of them. */
class StatusPort implements MailSource {
  readonly closed: Promise<void>;
  readonly #port: MessagePort;
  readonly #tell: (status: IoStatus) => void;
  #isOpen = true;

  constructor(port: MessagePort, tell: (status: IoStatus) => void) {
    this.#port = port;
    this.#tell = tell;
    this.closed = new Promise((resolve) => {
      port.once("close", () => {
        this.#isOpen = false;
        mailbox.remove(this);
        resolve();
      });
    });
    port.ref();
    mailbox.add(this);
  }

  take(): boolean {
    // Node 20 crashes where something asks a closed port for messages.
    const received = this.#isOpen ? receiveMessageOnPort(this.#port) : undefined;
    if (received === undefined) return false;
    this.#tell(received.message as IoStatus);
    return true;
  }

  /** Nobody has to be told: the I/O thread ends with this one. */
  threadEnds(): void {}
}

export interface DialledChannel {
  readonly channel: BlockingChannel;
  /** Why there is nobody at the other end, once the channel has ended because of that. */
  readonly failure: () => BanyanError | undefined;
  /** To be called once something has come from there: from now on it is written to from here. */
  readonly opened: () => void;
}

function farOf(url: string): "process" | "network" {
  return url.startsWith("unix:") ? "process" : "network";
}

function passIn(port: MessagePort): OutletPass | undefined {
  const status = receiveMessageOnPort(port)?.message as IoStatus | undefined;
  return status?.status === "connected" ? status.pass : undefined;
}

function failureIn(port: MessagePort): BanyanError | undefined {
  const received = receiveMessageOnPort(port);
  if (received === undefined) return undefined;
  const status = received.message as IoStatus;
  return status.status === "failed" ? toError(status) : undefined;
}

function toError({ code, message }: IoStatus & { status: "failed" }): BanyanError {
  return errorFromCode(code, message, {}) ?? new ChannelError("CHANNEL_REFUSED", message);
}
