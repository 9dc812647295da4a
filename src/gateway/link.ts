import { type Deferred, deferred } from "../base/deferred.ts";
import { abortable } from "../base/abort.ts";
import { type PostEvents, PostingChannel } from "../channel/posting-channel.ts";
import type { Session } from "../remote/session.ts";
import type { Remote } from "../remote/types.ts";
import type { Exit, Interpreter } from "./interpreter.ts";
import type { GatewaySpec } from "./spec.ts";
import type { LinkEvents, Starter } from "./starter.ts";
import type { StartOptions } from "./start.ts";

/** Somebody else who starts interpreters. */
export interface StartedBy {
  readonly session: Session;
  readonly starter: Remote<Starter, "copy">;
}

/**
 * Has an interpreter started by somebody else; its bytes cross that one's session.
 *
 * @throws as `startInterpreter` does over there; RemoteError; the signal's reason
 */
export async function startThrough(
  { session, starter }: StartedBy,
  spec: GatewaySpec,
  { signal, onLog, ssh }: Pick<StartOptions, "signal" | "onLog" | "ssh">,
): Promise<Interpreter> {
  const events = new Events(onLog ?? ((text) => void process.stderr.write(text)));
  const link = await abortable(starter.start(spec, ssh, events as LinkEvents as never), signal);
  const [label, wantsSource] = await Promise.all([link.label, link.wantsSource]);
  void session.closed.then(() => events.gone());
  const channel = new PostingChannel({ label: `${label} via ${session.peerName}` }, (handlers) => {
    events.connect(handlers);
    return {
      post: (bytes) => void link.data(bytes),
      close: () => {},
    };
  });
  return {
    label: channel.label,
    channel,
    wantsSource,
    exited: events.exit.promise,
    end: (how) => void link.signal(how),
  };
}

/** What comes from over there, from the beginning on. */
class Events implements LinkEvents {
  readonly exit: Deferred<Exit> = deferred<Exit>();
  readonly #log: (text: string) => void;
  readonly #early: Uint8Array[] = [];
  #handlers: PostEvents | undefined;

  constructor(log: (text: string) => void) {
    this.#log = log;
  }

  connect(handlers: PostEvents): void {
    this.#handlers = handlers;
    // Not from within the channel's constructor.
    queueMicrotask(() => {
      for (const bytes of this.#early.splice(0)) handlers.onMessage(bytes);
    });
  }

  data(bytes: Uint8Array): void {
    if (this.#handlers === undefined || this.#early.length > 0) this.#early.push(bytes);
    else this.#handlers.onMessage(bytes);
  }

  log(text: string): void {
    this.#log(text);
  }

  exited(exit: Exit): void {
    this.exit.resolve(exit);
  }

  /** Nothing is going to be heard of it any more. */
  gone(): void {
    this.exit.resolve({ code: null, signal: null });
    this.#handlers?.onGone(undefined);
  }
}
