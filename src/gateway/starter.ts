import { relay } from "../channel/relay.ts";
import { ChannelError } from "../base/errors.ts";
import { type Post, type PostEvents, PostingChannel } from "../channel/posting-channel.ts";
import type { Remote } from "../remote/types.ts";
import { type EndSignal, endInterpreter, type Exit, type Interpreter } from "./interpreter.ts";
import { checkSpec, type GatewaySpec } from "./spec.ts";
import { startInterpreter } from "./start.ts";

/** Hears of an interpreter that somebody else has started on its behalf. */
export interface LinkEvents {
  data(bytes: Uint8Array): void;
  log(text: string): void;
  exited(exit: Exit): void;
}

/** How long an interpreter may go on after whoever had it started has gone. */
const GRACE_MS = 2_000;
/** How long `ssh` may take. */
const START_MS = 60_000;

/** Starts interpreters here for the other side of a session, and carries their bytes. */
export class Starter {
  readonly #source: string;
  readonly #links = new Set<Link>();
  readonly #restrict: (spec: GatewaySpec) => GatewaySpec;

  /** `restrict` may change what is asked for, or throw. */
  constructor(source: string, restrict: (spec: GatewaySpec) => GatewaySpec = (spec) => spec) {
    this.#source = source;
    this.#restrict = restrict;
  }

  get size(): number {
    return this.#links.size;
  }

  /** @throws as `startInterpreter` */
  async start(
    given: GatewaySpec,
    ssh: string | undefined,
    events: Remote<LinkEvents>,
  ): Promise<Link> {
    const interpreter = await startInterpreter(this.#restrict(checkSpec(given)), {
      signal: AbortSignal.timeout(START_MS),
      source: this.#source,
      onLog: (text) => void events.log(text),
      ssh,
    });
    const link = new Link(interpreter, events);
    this.#links.add(link);
    void interpreter.exited.then(() => this.#links.delete(link));
    return link;
  }

  /** Ends all that were started. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#links, (link) => link.end()));
  }
}

/** An interpreter that was started for somebody else, as that one holds it. */
export class Link {
  readonly #interpreter: Interpreter;
  #events: PostEvents | undefined;

  constructor(interpreter: Interpreter, there: Remote<LinkEvents>) {
    this.#interpreter = interpreter;
    const join = (events: PostEvents): Post => {
      this.#events = events;
      return { post: (bytes) => void there.data(bytes), close: () => {} };
    };
    relay(new PostingChannel({ label: interpreter.label }, join), interpreter.channel);
    void this.#tellExit(there);
  }

  async #tellExit(there: Remote<LinkEvents>): Promise<void> {
    // Whoever has gone doesn't hear it.
    void there.exited(await this.#interpreter.exited);
  }

  get label(): string {
    return this.#interpreter.label;
  }

  get wantsSource(): boolean {
    return this.#interpreter.wantsSource;
  }

  data(bytes: Uint8Array): void {
    this.#events?.onMessage(bytes);
  }

  signal(signal: EndSignal): void {
    this.#interpreter.end(signal);
  }

  async end(): Promise<void> {
    const says = "whoever had it started has gone";
    this.#interpreter.channel.abort(new ChannelError("CHANNEL_CLOSED", says));
    await endInterpreter(this.#interpreter, { graceMs: GRACE_MS });
  }
}
