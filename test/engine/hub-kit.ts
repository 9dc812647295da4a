import { memoryChannelPair } from "../../src/channel/memory.ts";
import type { Channel } from "../../src/channel/channel.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { HubEngine, type HubEngineOptions } from "../../src/engine/hub-client.ts";
import { serveEngine } from "../../src/engine/hub-server.ts";
import { openSession, openSessionWith, type Session } from "../../src/remote/session.ts";
import type { TraceEvent } from "../../src/remote/trace.ts";

interface Connection {
  /** The client's side. */
  readonly near: Session;
  readonly far: Session;
  readonly farChannel: Channel;
}

/** A hub in this process; each connection is a pair of channels in memory. */
export class TestHub implements AsyncDisposable {
  readonly engine: Engine;
  /** What a connection attempt fails with, as long as it is set. */
  refusal: Error | undefined;
  /** What its sessions are asked and ask, oldest first. */
  readonly traced: TraceEvent[] = [];
  /** How often a connection was asked for. */
  attempts = 0;
  #connections: Connection[] = [];
  readonly #clients: Engine[] = [];

  constructor(engine: Engine) {
    this.engine = engine;
  }

  get connections(): readonly Connection[] {
    return this.#connections;
  }

  async client(options: Partial<HubEngineOptions> = {}): Promise<HubEngine> {
    const client = await HubEngine.open({ connect: () => this.connect(), ...options });
    this.#clients.push(client);
    return client;
  }

  async connect(): Promise<Session> {
    this.attempts++;
    if (this.refusal !== undefined) throw this.refusal;
    const [nearChannel, farChannel] = memoryChannelPair();
    const { exports, begin, end } = serveEngine(this.engine, { pid: 1, epoch: "1" });
    const trace = (event: TraceEvent): void => void this.traced.push(event);
    const [near, far] = await Promise.all([
      openSession(nearChannel, { plain: "copy", name: "client" }),
      openSessionWith(farChannel, { exports, plain: "copy", name: "hub", trace }, begin),
    ]);
    this.#connections.push({ near, far, farChannel });
    void far.closed.then(end);
    return near;
  }

  /** As when the hub's process dies: what is under way is lost. */
  breakAll(): void {
    for (const { farChannel } of this.#connections) void farChannel.close();
    for (const { far } of this.#connections) far.abort(new Error("the hub was killed"));
    this.#connections = [];
  }

  /** As when its process is stopped: it takes messages and reads none. */
  freezeAll(): void {
    for (const { farChannel } of this.#connections) farChannel.pause();
    this.#connections = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.engine.close();
    await Promise.all(this.#connections.map(({ far }) => far.close()));
  }
}
