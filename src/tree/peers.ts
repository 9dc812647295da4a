import type { AbortOptions } from "../base/abort.ts";
import { ChannelError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import { onRejection } from "../base/rejection.ts";
import type { Channel } from "../channel/channel.ts";
import type {
  Engine,
  EngineAnswer,
  EngineMember,
  EngineRequest,
  LeaveReason,
  PresenceEvent,
} from "../engine/engine.ts";
import { toPath } from "../wire/path-text.ts";
import { formatPath } from "../wire/path-format.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import { LinkChannel } from "./link-channel.ts";
import { encodeMessage } from "./messages.ts";

export interface RequestOptions extends AbortOptions {
  /** How long to wait for the answer, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** What a responder gets besides the value. */
export interface TreeRequest {
  readonly topic: Path;
  readonly value: unknown;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Returns the answer; what it throws, whoever asked gets thrown. */
export type Responder = (value: never, request: TreeRequest) => unknown;

/** What one of several responders answered. */
export interface TreeAnswer {
  /** The author of the responder's tree. */
  readonly by: string;
  /** `undefined` also where there is an `error`. */
  readonly value: unknown;
  /** What the responder threw. */
  readonly error?: unknown;
}

/** Something that is offered to others until it is closed, or its tree is. */
export interface TreeOffer extends AsyncDisposable {
  /** Resolves when others can find it; it stays through the loss of a hub. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Somebody who is there. */
export interface TreeMember {
  readonly place: Path;
  /** Another each time somebody comes, also to the same place. */
  readonly id: string;
  /** When it came: milliseconds since 1970 by its own clock. */
  readonly since: number;
  /** What it says of itself. */
  readonly about: unknown;
}

/** See `PresenceEvent` of the engine: "lost" is a process that ended without a word, or can't be reached. */
export type TreePresenceEvent =
  | { readonly type: "join"; readonly member: TreeMember }
  | { readonly type: "leave"; readonly member: TreeMember; readonly reason: LeaveReason }
  | { readonly type: "ready" | "stale" | "live" };

const REQUEST_OPTIONS: OptionNames<RequestOptions> = { ...ABORT_OPTIONS, timeoutMs: true };

export interface PeersContext {
  /** @throws TreeError `TREE_CLOSED` */
  readonly engine: () => Engine;
  readonly author: string | undefined;
  /** Closes `thing` with the tree; what is returned calls that off. */
  readonly own: (thing: { close(): Promise<void> }) => () => void;
}

/** How the users of one tree meet while they are there; nothing of it is stored. */
export class Peers {
  readonly #context: PeersContext;

  constructor(context: PeersContext) {
    this.#context = context;
  }

  /**
   * Asks one of those who respond to the topic, the one with the least to do, and gives its answer.
   * It is asked once at most.
   *
   * @throws what the responder threw; EngineError `ENGINE_NO_RESPONDER` at once where nobody responds;
   *   `ENGINE_NO_ANSWER`, `ENGINE_RESPONDER_LOST`, `ENGINE_AMBIGUOUS` where it may have been done
   */
  async request(topic: PathLike, value?: unknown, options: RequestOptions = {}): Promise<unknown> {
    checkRequestOptions(options, "request");
    const { peers } = this.#context.engine();
    const answer = toAnswer(await peers.request(toPath(topic), encodeMessage(value), options));
    if ("error" in answer) throw answer.error;
    return answer.value;
  }

  /** Asks everybody who responds to the topic; gives the answers as they come, until all have or time is up. */
  async *requestAll(
    topic: PathLike,
    value?: unknown,
    options: RequestOptions = {},
  ): AsyncGenerator<TreeAnswer, void> {
    checkRequestOptions(options, "requestAll");
    const { peers } = this.#context.engine();
    const answers = peers.requestAll(toPath(topic), encodeMessage(value), options);
    for await (const answer of answers) yield toAnswer(answer);
  }

  /** Answers requests to the topic, and with "+" and "#" in it to all that fit. */
  respond(topic: PathLike, responder: Responder, options: AbortOptions = {}): TreeOffer {
    checkOptions(options, ABORT_OPTIONS, "peers.respond");
    checkFunction(responder, "a responder");
    const { author: by = "", engine } = this.#context;
    const answer = responder as (value: unknown, request: TreeRequest) => unknown;
    return this.#offer(
      engine().peers.respond(toPath(topic), (asked) => answerTo(asked, answer, by), options),
    );
  }

  /** Says that this process is there, until it is closed or the process ends. */
  announce(place: PathLike, about?: unknown, options: AbortOptions = {}): TreeOffer {
    checkOptions(options, ABORT_OPTIONS, "peers.announce");
    const { engine } = this.#context;
    return this.#offer(engine().peers.announce(toPath(place), encodeMessage(about), options));
  }

  /** Who is there at `place` and below it, as of now. */
  async list(place: PathLike = ":", options: AbortOptions = {}): Promise<TreeMember[]> {
    const members: TreeMember[] = [];
    for await (const event of this.presence(place, options)) {
      if (event.type === "join") members.push(event.member);
      if (event.type === "ready") break;
    }
    return members;
  }

  /** Who is there, then "ready", then who comes and goes. Breaking out ends it. */
  async *presence(
    place: PathLike = ":",
    options: AbortOptions = {},
  ): AsyncGenerator<TreePresenceEvent, void> {
    checkOptions(options, ABORT_OPTIONS, "peers.presence");
    const presence = this.#context.engine().peers.presence(toPath(place), options);
    const disown = this.#context.own({ close: async () => presence[Symbol.asyncDispose]() });
    try {
      for await (const events of presence) yield* events.map(toTreeEvent);
    } finally {
      disown();
    }
  }

  /**
   * Takes the channels that others open to `door`. They belong to `onChannel`; what it throws refuses
   * one, and where its promise rejects the channel is aborted. See `connect`.
   */
  accept(
    door: PathLike,
    onChannel: (channel: Channel) => unknown,
    options: AbortOptions = {},
  ): TreeOffer {
    checkOptions(options, ABORT_OPTIONS, "peers.accept");
    checkFunction(onChannel, "who takes channels");
    const at = toPath(door);
    let count = 0;
    const accepted = this.#context.engine().peers.accept(
      at,
      (caller) => {
        const channel = new LinkChannel(`${formatPath(at)}#${++count}`);
        channel.join(caller);
        onRejection(onChannel(channel), (error) =>
          channel.abort(new ChannelError("CHANNEL_CLOSED", "who took it failed", { cause: error })),
        );
        return channel.near;
      },
      options,
    );
    return this.#offer(accepted);
  }

  /**
   * A channel to one of those who accept at `door`, which carries a session of `banyan/remote` or
   * messages of your own. It loses nothing, or it breaks: when either process ends, and with the hub
   * that carries it.
   *
   * @throws EngineError `ENGINE_NO_RESPONDER`, `ENGINE_RESPONDER_LOST`, `ENGINE_UNAVAILABLE`
   */
  async connect(door: PathLike, options: AbortOptions = {}): Promise<Channel> {
    checkOptions(options, ABORT_OPTIONS, "peers.connect");
    const at = toPath(door);
    const channel = new LinkChannel(formatPath(at));
    channel.join(await this.#context.engine().peers.link(at, channel.near, options));
    return channel;
  }

  #offer({ ready, ...offer }: AsyncDisposable & { readonly ready: Promise<void> }): TreeOffer {
    const close = async (): Promise<void> => {
      disown();
      await offer[Symbol.asyncDispose]();
    };
    const disown = this.#context.own({ close });
    return { ready, close, [Symbol.asyncDispose]: close };
  }
}

async function answerTo(
  { topic, data, signal }: EngineRequest,
  responder: (value: unknown, request: TreeRequest) => unknown,
  by: string,
): Promise<EngineAnswer> {
  try {
    const value = decodeValue(data);
    const result = await responder(value, { topic, value, signal });
    return { failed: false, data: encodeMessage(result), by };
  } catch (error) {
    return { failed: true, data: encodeFailure(error), by };
  }
}

function toAnswer({ failed, data, by }: EngineAnswer): TreeAnswer {
  try {
    const value = decodeValue(data);
    return failed ? { by, value: undefined, error: value } : { by, value };
  } catch (error) {
    return { by, value: undefined, error };
  }
}

function toTreeEvent(event: PresenceEvent): TreePresenceEvent {
  return "member" in event ? { ...event, member: toMember(event.member) } : event;
}

function toMember({ place, id, since, about }: EngineMember): TreeMember {
  let said: unknown;
  try {
    said = decodeValue(about);
  } catch {
    // Who speaks to the engine itself may say what is no value.
    said = about;
  }
  return { place, id, since, about: said };
}

/** Something always arrives. */
function encodeFailure(error: unknown): Uint8Array {
  try {
    return encodeValue(error);
  } catch {
    return encodeValue(new Error(`it failed with ${kindOf(error)}, which can't be sent`));
  }
}

function checkRequestOptions(options: RequestOptions, of: string): void {
  checkOptions(options, REQUEST_OPTIONS, `peers.${of}`);
  const { timeoutMs } = options;
  if (timeoutMs === undefined || timeoutMs >= 0) return;
  throw new RangeError(`timeoutMs is a number of milliseconds from 0, not ${String(timeoutMs)}`);
}

function checkFunction(value: unknown, what: string): void {
  if (typeof value !== "function")
    throw new TypeError(`${what} is a function, not ${kindOf(value)}`);
}
