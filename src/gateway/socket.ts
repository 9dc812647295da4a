import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import { checkOptions, type OptionNames } from "../base/options.ts";
import { type Log, silentLog } from "../base/log.ts";
import type { Channel, Listener } from "../channel/channel.ts";
import { dialTcp, listenTcp } from "../channel/tcp.ts";
import { dialTls, listenTls } from "../channel/tls.ts";
import type { TlsIdentity } from "../channel/tls-identity.ts";
import { dialUnix, listenUnix } from "../channel/unix.ts";
import { openSession, type Session } from "../remote/session.ts";
import { farSource } from "./far-source.ts";
import { FAR_HEARTBEAT } from "./heartbeat.ts";
import type { StartedBy } from "./link.ts";
import type { GatewaySpec } from "./spec.ts";
import { Starter } from "./starter.ts";

const STARTER = "starter";

interface DialServerOptions {
  readonly token?: string | undefined;
  readonly tls?: TlsIdentity | undefined;
}

/**
 * Reaches a server of gateways.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; RemoteError `REMOTE_DENIED`; the signal's reason
 */
export async function dialServer(
  address: string,
  signal: AbortSignal,
  { token, tls }: DialServerOptions,
): Promise<StartedBy> {
  const channel = address.startsWith("unix:")
    ? await dialUnix(address, { signal })
    : tls === undefined
      ? await dialTcp(`tcp://${address}`, { signal })
      : await dialTls(`tls://${address}`, { signal, tls });
  const session = await openSession(channel, { credentials: token, plain: "copy", signal });
  return { session, starter: session.remote<Starter, "copy">(STARTER) };
}

export interface ServeOptions {
  /** Default `127.0.0.1:0`, any free port. `unix:/path` takes no token: only this user reaches it. */
  readonly address?: string | undefined;
  /** What a peer has to show. Default: a new random one. */
  readonly token?: string | undefined;
  readonly tls?: TlsIdentity | undefined;
  /** Allows an address that other machines reach: who has the token runs code here, as this user. */
  readonly public?: boolean | undefined;
  readonly log?: Log | undefined;
}

const SERVE_OPTIONS: OptionNames<ServeOptions> = {
  address: true,
  token: true,
  tls: true,
  public: true,
  log: true,
};

/** Who serves gateways. Closing ends all that were started. */
export interface GatewayServer extends AsyncDisposable {
  /** For specs: `socket=` and this. */
  readonly address: string;
  /** What peers have to show. */
  readonly token: string;
  close(): Promise<void>;
}

/** Short secrets are guessed. */
const MIN_TOKEN_LENGTH = 16;

/**
 * Starts a process of this machine for each `socket=` gateway that is opened with the right token. It
 * ends with its connection.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; RangeError for a short token; TypeError
 */
export async function serveGateway(options: ServeOptions = {}): Promise<GatewayServer> {
  checkOptions(options, SERVE_OPTIONS, "serveGateway");
  const { address = "127.0.0.1:0", tls, public: isPublic, log = silentLog } = options;
  const token = options.token ?? randomBytes(24).toString("base64url");
  if (token.length < MIN_TOKEN_LENGTH) {
    throw new RangeError(`a token has ${MIN_TOKEN_LENGTH} characters or more`);
  }
  const isUnix = address.startsWith("unix:");
  const source = await farSource();
  const serving = new Serving(source, isUnix ? undefined : token, log);
  const accept = (channel: Channel): void => void serving.accept(channel);
  const network = { public: isPublic };
  const listener: Listener = isUnix
    ? await listenUnix(address, accept)
    : tls === undefined
      ? await listenTcp(`tcp://${address}`, accept, network)
      : await listenTls(`tls://${address}`, accept, { ...network, tls });
  const close = async (): Promise<void> => {
    await listener.close();
    await serving.close();
  };
  return {
    address: isUnix ? address : listener.address.replace(/^t\w+:\/\//, ""),
    token,
    close,
    [Symbol.asyncDispose]: close,
  };
}

class Serving {
  readonly #source: string;
  readonly #token: string | undefined;
  readonly #log: Log;
  readonly #sessions = new Map<Session, Starter>();
  readonly #closing = new AbortController();

  constructor(source: string, token: string | undefined, log: Log) {
    this.#source = source;
    this.#token = token;
    this.#log = log;
  }

  async accept(channel: Channel): Promise<void> {
    const starter = new Starter(this.#source, asProcess);
    try {
      const session = await openSession(channel, {
        exports: { [STARTER]: starter },
        plain: "copy",
        authenticate: ({ credentials }) =>
          this.#token === undefined || isSame(credentials, this.#token),
        signal: this.#closing.signal,
        heartbeat: this.#token === undefined ? false : FAR_HEARTBEAT,
      });
      this.#sessions.set(session, starter);
      await session.closed;
      this.#sessions.delete(session);
    } catch (error) {
      if (!this.#closing.signal.aborted) {
        this.#log.warn("a peer was turned away", { peer: channel.label, error });
      }
    }
    await starter.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(
      Array.from(this.#sessions, async ([session, starter]) => {
        await session.close();
        await starter.close();
      }),
    );
  }
}

/** A peer gets a process of this Node, and nothing else of what a spec can name. */
function asProcess({ env, popen }: GatewaySpec): GatewaySpec {
  if (popen !== true) throw new TypeError("a server starts processes only");
  return { popen, env };
}

/** Takes as long for every wrong one. */
function isSame(given: unknown, token: string): boolean {
  if (typeof given !== "string") return false;
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
