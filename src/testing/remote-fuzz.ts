import type { Channel, PeerPresence } from "../channel/channel.ts";
import { ChannelError } from "../base/errors.ts";
import { deferred } from "../base/deferred.ts";
import { encodeHello, type Hello } from "../remote/handshake.ts";
import { byteCallsOf } from "../remote/byte-calls.ts";
import { openSession, type Session } from "../remote/session.ts";
import { FuzzFrames, type Random, randomOf } from "./fuzz-frames.ts";
import { fuzzExports, SECRET } from "./fuzz-exports.ts";
import { fuzzProbes } from "./fuzz-probes.ts";
import { expression, head, message, type Probe, PROBED_LIMITS as LIMITS } from "./probe.ts";

/** What came of a run. */
export interface FuzzResult {
  readonly frames: number;
  readonly sessions: number;
  /** Frames that were right, and obeyed. */
  readonly decoded: number;
  readonly messages: number;
}

/** So many sessions are talked to at random between two times that all that is to be refused is tried. */
const SESSIONS_OF_ROUND = 250;
const MAX_ATTACHMENTS = 4_097;
const MAX_MESSAGES = 12;
const SHOWN_EXPORTS = 60;
/** What the peer says of itself: it has proxies, or wants types, or neither. */
const HELLOS: readonly Partial<Hello>[] = [{}, {}, { proxies: true }, { types: true }];

/**
 * Lets sessions be talked to by a peer that speaks the protocol, well and badly: frames that are right,
 * or wrong in what they refer to, and frames with some of their bytes changed. After each message the
 * session must have ended whole, or work as before; what it does not offer must not have left it.
 *
 * @throws Error with the seed and the messages of the session that went wrong
 */
export async function fuzzSessions(seed: number, frames: number): Promise<FuzzResult> {
  const random = randomOf(seed);
  const total = { frames: 0, sessions: 0, decoded: 0, messages: 0 };
  while (total.frames < frames) {
    if (total.sessions++ % SESSIONS_OF_ROUND === 0) await probeSessions();
    const log: Uint8Array[] = [];
    try {
      await fuzzSession(random, total, log);
    } catch (cause) {
      const messages = log.map((bytes) => hexOf(bytes)).join("\n");
      const at = `seed ${seed}, session ${total.sessions}`;
      throw new Error(`${at}: ${String(cause)}\n${messages}`, { cause });
    }
  }
  return total;
}

async function probeSessions(): Promise<void> {
  for (const probe of fuzzProbes()) {
    try {
      await probeSession(probe);
    } catch (cause) {
      throw new Error(`${probe.name}: ${String(cause)}`, { cause });
    }
  }
}

/**
 * Does in a session of its own what a peer must be refused, or lose its session by.
 *
 * @throws Error where it was not refused
 */
export async function probeSession({ expects, messages, hello = {} }: Probe): Promise<void> {
  const { channel, session, breach } = await open(hello);
  for (const bytes of messages) {
    channel.forget();
    channel.arrive(bytes);
    await settled();
  }
  const isOpen = channel.state === "open";
  if (expects === "end") {
    if (isOpen) throw new Error("the session goes on");
    if (!channel.said("REMOTE_PROTOCOL")) throw new Error("the peer was not told why");
  } else {
    if (!isOpen) throw new Error("the session ended");
    if (!expects.test(channel.text())) throw new Error(`it was not refused: ${channel.text()}`);
    await ping(session, channel, 1);
    channel.abort(new ChannelError("CHANNEL_CLOSED", "probed"));
  }
  await session.closed;
  await settled();
  checkEmpty(session);
  checkBreach(channel, breach);
}

interface Opened {
  readonly channel: WireEnd;
  readonly session: Session;
  readonly breach: () => string | undefined;
}

/** A session with a peer that says of itself what `hello` says. */
async function open(hello: Partial<Hello>): Promise<Opened> {
  const channel = new WireEnd();
  const { exports, breach } = fuzzExports();
  const opening = openSession(channel, { exports, limits: LIMITS });
  channel.arrive(encodeHello({ name: "fuzz", maxMessageBytes: LIMITS.maxMessageBytes, ...hello }));
  const session = await opening;
  byteCallsOf(session).take((bytes) => (bytes.length % 3 === 0 ? bytes.slice() : bytes.length));
  return { channel, session, breach };
}

function checkBreach(channel: WireEnd, breach: () => string | undefined): void {
  const what = breach();
  if (what !== undefined) throw new Error(what);
  if (channel.said(SECRET)) throw new Error("the secret left");
}

async function fuzzSession(
  random: Random,
  total: { frames: number; decoded: number; messages: number },
  log: Uint8Array[],
): Promise<void> {
  const hello = HELLOS[random(HELLOS.length)] ?? {};
  const { channel, session, breach } = await open(hello);
  const generator = new FuzzFrames(random, hello.types === true);
  const messages = 1 + random(MAX_MESSAGES);
  for (let i = 0; i < messages && channel.state === "open"; i++) {
    const next = generator.message();
    log.push(next);
    total.frames += generator.frames;
    total.messages++;
    const { served } = session.stats();
    channel.arrive(next);
    // Of a message that ended the session, those requests count that came before.
    if (channel.state === "open") total.decoded += generator.frames;
    else total.decoded += Math.min(session.stats().served - served, generator.frames - 1);
    checkLimits(session);
    await settled();
  }
  if (channel.state === "open") await ping(session, channel, random(1e9));
  if (channel.state === "open") await showAll(channel);
  if (channel.state === "open") channel.abort(new ChannelError("CHANNEL_CLOSED", "fuzzed"));
  await session.closed;
  await settled();
  checkEmpty(session);
  checkBreach(channel, breach);
}

/** The peer passes everything that it may hold by now to what looks whether it may. */
async function showAll(channel: WireEnd): Promise<void> {
  channel.arrive(
    message((writer) => {
      for (let id = 1; id <= SHOWN_EXPORTS; id++) {
        head(writer, { path: "seen", count: 1 });
        expression(writer, "", id * 2);
      }
    }),
  );
  await settled();
}

/** A session that goes on has to answer. What was announced has to come first. */
async function ping(session: Session, channel: WireEnd, number: number): Promise<void> {
  const request = FuzzFrames.echo(`pong ${number}`);
  channel.arrive(request);
  await settled();
  if (channel.said(`pong ${number}`)) return;
  for (let i = 0; i < MAX_ATTACHMENTS && channel.state === "open"; i++) {
    channel.arrive(new Uint8Array(1));
  }
  channel.arrive(request);
  await settled();
  if (channel.state !== "open" || channel.said(`pong ${number}`)) return;
  throw new Error(`the session is open and does not answer: ${JSON.stringify(session.stats())}`);
}

function checkLimits(session: Session): void {
  const { exports, serving, waiting, imports } = session.stats();
  const { maxExports, maxPendingCalls, maxItems } = LIMITS;
  if (exports > 2 * maxExports + 1 || serving > maxPendingCalls + 1 || waiting > 5 * maxExports) {
    throw new Error(`over the limits: ${JSON.stringify(session.stats())}`);
  }
  if (imports > MAX_MESSAGES * maxItems) throw new Error(`${imports} imports`);
}

function checkEmpty(session: Session): void {
  const { exports, imports, pending, serving, waiting } = session.stats();
  if (exports + imports + pending + serving + waiting === 0) return;
  throw new Error(`a session that ended holds on: ${JSON.stringify(session.stats())}`);
}

/** What is asynchronous in the exports is over, and what a session had to say has left. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const latin1 = new TextDecoder("latin1");

/** An end of a channel without another: what is sent is remembered, what arrives is given at once. */
class WireEnd implements Channel {
  readonly label = "fuzz:";
  readonly crossesNetwork = false;
  readonly receivedBytes = 0;
  state: "open" | "closed" = "open";
  readonly #closed = deferred<ChannelError | undefined>();
  readonly closed = this.#closed.promise;
  #sent: Uint8Array[] = [];
  readonly #all: Uint8Array[] = [];
  #receiver: (bytes: Uint8Array) => void = () => {};

  /** A message of the peer's. */
  readonly arrive = (bytes: Uint8Array): void => {
    if (this.state === "open") this.#receiver(bytes.slice());
  };

  /** Whether a text was in what was ever sent. */
  said(text: string): boolean {
    return this.#all.some((sent) => latin1.decode(sent).includes(text));
  }

  /** What was sent since the last `forget`. */
  text(): string {
    return this.#sent.map((sent) => latin1.decode(sent)).join("");
  }

  forget(): void {
    this.#sent = [];
  }

  presence(): Promise<PeerPresence> {
    return Promise.resolve("busy");
  }

  send(bytes: Uint8Array): boolean {
    if (this.state === "closed") throw new ChannelError("CHANNEL_CLOSED");
    const copy = bytes.slice();
    this.#sent.push(copy);
    this.#all.push(copy);
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  receive(receiver: (bytes: Uint8Array) => void): void {
    this.#receiver = receiver;
  }

  pause(): void {}

  resume(): void {}

  close(): Promise<void> {
    this.#end(undefined);
    return Promise.resolve();
  }

  abort(reason: ChannelError): void {
    this.#end(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #end(reason: ChannelError | undefined): void {
    this.state = "closed";
    this.#closed.resolve(reason);
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
