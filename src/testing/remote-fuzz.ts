import type { Channel, PeerPresence } from "../channel/channel.ts";
import { ChannelError } from "../base/errors.ts";
import { deferred } from "../base/deferred.ts";
import { encodeHello } from "../remote/handshake.ts";
import { openSession, type Session } from "../remote/session.ts";
import { FuzzFrames, type Random, randomOf } from "./fuzz-frames.ts";
import { fuzzExports, SECRET } from "./fuzz-exports.ts";

/** What came of a run. */
export interface FuzzResult {
  readonly frames: number;
  readonly sessions: number;
  /** Messages that the session obeyed whole, of all that were sent. */
  readonly obeyed: number;
  readonly messages: number;
}

const LIMITS = {
  maxExports: 16,
  maxPendingCalls: 32,
  maxItems: 2_000,
  maxMessageBytes: 64 * 1024,
  maxRequestsPerMessage: 64,
  maxUnsentBytes: 1024 * 1024,
  helloMs: 1_000,
  closeGraceMs: 1,
};
const MAX_ATTACHMENTS = 4_097;
const MAX_MESSAGES = 12;

/**
 * Lets sessions be talked to by a peer that speaks the protocol, well and badly: frames that are right,
 * or wrong in what they refer to, and frames with some of their bytes changed. After each message the
 * session must have ended whole, or work as before; what it does not offer must not have left it.
 *
 * @throws Error with the seed and the messages of the session that went wrong
 */
export async function fuzzSessions(seed: number, frames: number): Promise<FuzzResult> {
  const random = randomOf(seed);
  const total = { frames: 0, sessions: 0, obeyed: 0, messages: 0 };
  while (total.frames < frames) {
    total.sessions++;
    const log: Uint8Array[] = [];
    try {
      await fuzzSession(random, total, log);
    } catch (cause) {
      const messages = log.map((message) => hexOf(message)).join("\n");
      const at = `seed ${seed}, session ${total.sessions}`;
      throw new Error(`${at}: ${String(cause)}\n${messages}`, { cause });
    }
  }
  return total;
}

async function fuzzSession(
  random: Random,
  total: { frames: number; obeyed: number; messages: number },
  log: Uint8Array[],
): Promise<void> {
  const channel = new WireEnd();
  const { exports, isIntact } = fuzzExports();
  const opening = openSession(channel, { exports, limits: LIMITS });
  channel.arrive(
    encodeHello({ name: "fuzz", maxMessageBytes: LIMITS.maxMessageBytes, types: true }),
  );
  const session = await opening;
  const generator = new FuzzFrames(random);
  const messages = 1 + random(MAX_MESSAGES);
  for (let i = 0; i < messages && channel.state === "open"; i++) {
    const message = generator.message();
    log.push(message);
    total.frames += generator.frames;
    total.messages++;
    channel.arrive(message);
    if (channel.state === "open") total.obeyed++;
    checkLimits(session);
    await settled();
  }
  if (channel.state === "open") await ping(session, channel, random(1e9));
  if (channel.state === "open") channel.abort(new ChannelError("CHANNEL_CLOSED", "fuzzed"));
  await session.closed;
  await settled();
  checkEmpty(session);
  if (!isIntact()) throw new Error("something was changed that is not offered");
  if (channel.said(SECRET)) throw new Error("the secret left");
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

/** An end of a channel without another: what is sent is remembered, what arrives is given at once. */
class WireEnd implements Channel {
  readonly label = "fuzz:";
  readonly crossesNetwork = false;
  readonly receivedBytes = 0;
  state: "open" | "closed" = "open";
  readonly #closed = deferred<ChannelError | undefined>();
  readonly closed = this.#closed.promise;
  readonly #sent: Uint8Array[] = [];
  #receiver: (message: Uint8Array) => void = () => {};

  /** A message of the peer's. */
  readonly arrive = (message: Uint8Array): void => {
    if (this.state === "open") this.#receiver(message.slice());
  };

  /** Whether a text was in what was sent. */
  said(text: string): boolean {
    const latin1 = new TextDecoder("latin1");
    return this.#sent.some((message) => latin1.decode(message).includes(text));
  }

  presence(): Promise<PeerPresence> {
    return Promise.resolve("busy");
  }

  send(message: Uint8Array): boolean {
    if (this.state === "closed") throw new ChannelError("CHANNEL_CLOSED");
    this.#sent.push(message.slice());
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  receive(receiver: (message: Uint8Array) => void): void {
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
