import { existsSync, mkdirSync } from "node:fs";
import { hostname, setPriority } from "node:os";
import { dirname, resolve } from "node:path";

import { deferred } from "../base/deferred.ts";
import { byRef } from "../remote/by-value.ts";
import { evaluate } from "../remote/evaluate.ts";
import { openSession, type Session } from "../remote/session.ts";
import type { Remote, RemoteResult } from "../remote/types.ts";
import type { HeartbeatOptions } from "../remote/heartbeat.ts";
import type { Channel } from "../channel/channel.ts";
import { ChannelTable } from "./channel-table.ts";
import { compile, importHere, prepareImports } from "./compile.ts";
import { GatewayPort, PORT } from "./port.ts";
import type { Program } from "./program.ts";
import { type GatewaySide, NamedObjects } from "./side.ts";
import type { GatewaySpec } from "./spec.ts";
import { Starter } from "./starter.ts";

/** What a far side is told first. */
export type FarSettings = Pick<GatewaySpec, "chdir" | "nice" | "env"> & { readonly id: string };

/** What a far side says of itself. */
export interface GatewayInfo {
  readonly pid: number;
  /** Node's version, as `20.19.0`. */
  readonly node: string;
  readonly platform: string;
  readonly host: string;
  /** Where it works. */
  readonly cwd: string;
}

/** What a far side is doing. */
export interface GatewayStatus extends GatewayInfo {
  /** Runs that have not ended. */
  readonly executing: number;
  /** Channels that are open there, those of runs included. */
  readonly channels: number;
  /** Gateways that were started from there. */
  readonly started: number;
  /** Resident memory of its process. */
  readonly memoryBytes: number;
  readonly uptimeMs: number;
}

export interface FarOptions {
  readonly source: string;
  readonly heartbeat: HeartbeatOptions | false;
  /** Called before code of the near side runs for the first time. */
  readonly beforeCode: () => void;
}

/** How long runs may take to stop when the gateway has ended. */
const STOP_MS = 1_000;

/** Lets the near side use this interpreter; settles when that is over. */
export async function serveFar(channel: Channel, options: FarOptions): Promise<void> {
  const far = new Far(options);
  await far.serve(channel);
}

class Far implements GatewaySide {
  id = "";
  readonly channels: ChannelTable;
  readonly objects = new NamedObjects();
  readonly starter: Starter;
  readonly #beforeCode: () => void;
  readonly #heartbeat: HeartbeatOptions | false;
  #port: Remote<GatewayPort, "copy"> | undefined;
  #executing = 0;
  #whenIdle: (() => void) | undefined;
  #readyForCode = false;

  constructor({ source, heartbeat, beforeCode }: FarOptions) {
    this.#heartbeat = heartbeat;
    this.#beforeCode = beforeCode;
    this.channels = new ChannelTable(this, 2);
    this.starter = new Starter(source);
  }

  async serve(channel: Channel): Promise<void> {
    const session = await openSession(channel, {
      exports: { [PORT]: new FarPort(this) },
      policy: "trusted",
      plain: "copy",
      heartbeat: this.#heartbeat,
      valueClasses: this.channels.valueClasses,
    });
    this.#connect(session);
    const error = await session.closed;
    this.channels.endAll(error);
    await Promise.all([this.starter.close(), this.#idle()]);
  }

  #connect(session: Session): void {
    this.#port = session.remote<GatewayPort, "copy">(PORT);
    this.channels.connect(this.#port);
  }

  remote<T>(name: string): RemoteResult<T, "copy"> {
    return this.#near().named(name) as RemoteResult<T, "copy">;
  }

  names(): Promise<string[]> {
    return this.#near().names();
  }

  expose(name: string, object: unknown): void {
    this.objects.set(name, object);
  }

  get executing(): number {
    return this.#executing;
  }

  async run(id: number, program: Program, args: readonly unknown[]): Promise<unknown> {
    this.prepareForCode();
    const channel = this.channels.adopt(id);
    this.#executing++;
    try {
      return await compile(program)(channel, args);
    } finally {
      this.#executing--;
      channel.finish();
      this.channels.forget(id);
      if (this.#executing === 0) this.#whenIdle?.();
    }
  }

  prepareForCode(): void {
    if (this.#readyForCode) return;
    this.#readyForCode = true;
    prepareImports();
    this.#beforeCode();
  }

  #near(): Remote<GatewayPort, "copy"> {
    if (this.#port === undefined) throw new TypeError("the gateway is not open yet");
    return this.#port;
  }

  /** A process that has nothing else to wait for ends before the time is over. */
  #idle(): Promise<void> {
    if (this.#executing === 0) return Promise.resolve();
    const idle = deferred<void>();
    this.#whenIdle = idle.resolve;
    setTimeout(idle.resolve, STOP_MS).unref();
    return idle.promise;
  }
}

/** What the near side may ask for. */
export class FarPort extends GatewayPort {
  readonly #far: Far;

  constructor(far: Far) {
    super(far.channels, far.objects);
    this.#far = far;
  }

  /** @throws whatever the system says where it can't work there, or not so */
  begin({ id, chdir, nice, env }: FarSettings): GatewayInfo {
    this.#far.id = id;
    Object.assign(process.env, env);
    if (chdir !== undefined) {
      makeFolder(resolve(chdir));
      process.chdir(chdir);
    }
    if (nice !== undefined) setPriority(nice);
    return info();
  }

  exec(id: number, program: Program, args: readonly unknown[]): Promise<unknown> {
    return this.#far.run(id, program, args);
  }

  evaluate(source: string, scope: object | undefined): Promise<unknown> {
    this.#far.prepareForCode();
    return evaluate(source, { scope });
  }

  async import(specifier: string): Promise<unknown> {
    this.#far.prepareForCode();
    return byRef(await importHere(specifier));
  }

  status(): GatewayStatus {
    return {
      ...info(),
      executing: this.#far.executing,
      channels: this.#far.channels.size,
      started: this.#far.starter.size,
      memoryBytes: process.memoryUsage.rss(),
      uptimeMs: Math.round(process.uptime() * 1_000),
    };
  }

  starter(): Starter {
    return this.#far.starter;
  }
}

function info(): GatewayInfo {
  const { pid, platform, versions } = process;
  return { pid, node: versions.node, platform, host: hostname(), cwd: process.cwd() };
}

/**
 * As execnet does. One step at a time: where nothing can be made, as below `/proc`, Node's own way of
 * making them all never ends.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path);
}
