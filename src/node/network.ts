import { linkSignals } from "../base/abort.ts";
import { systemClock } from "../base/clock.ts";
import { BanyanError, ChannelError, NodeError, RemoteError } from "../base/errors.ts";
import { parseHostAndPort } from "../channel/network.ts";
import { dialTls } from "../channel/tls.ts";
import { kindOf } from "../base/kind-of.ts";
import { isUserName } from "../tree/users/user-record.ts";
import { openSession, type Session } from "../remote/session.ts";

/** What a client shows to a hub on the network: a user's name and password, or a token. */
export type Credentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string };

type Shown = Credentials | { readonly invite: string };

/** A hub on the network, as its address says. */
interface NetworkHub {
  /** `tls://host:port` */
  readonly url: string;
  /** Undefined: a certificate of an authority that this machine trusts will do. */
  readonly fingerprint: string | undefined;
}

/** Under which a hub says by what users are let in, to whoever shows `{ methods: true }`. */
export const METHODS_EXPORT = "methods";
const DIAL_MS = 10_000;
/** A hub takes its time to look at a password, more so after wrong ones. */
const HELLO_MS = 20_000;

/** What OpenSSL says of certificates that nobody vouches for. */
const NOT_TRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/;

/**
 * `tls://host:port#fingerprint`, where the fingerprint may be missing.
 *
 * @throws NodeError `NODE_BAD_URL`
 */
export function parseNetworkUrl(url: string): NetworkHub {
  const form = "tls://host:port#fingerprint, as `banyan up --listen` prints it";
  const [address = "", given] = url.split("#", 2);
  if (/^[a-z]+:\/\/[^/]*@/i.test(address)) {
    throw new NodeError("NODE_BAD_URL", `an address holds no user and no password; it is ${form}`);
  }
  if (/^(tcp|ws|wss):/i.test(address)) {
    throw new NodeError("NODE_BAD_URL", `a hub is reached by ${form}, not by ${address}`);
  }
  if (given?.includes(".bt_") === true) {
    const says = "that is an invitation: `banyan join` makes this machine a node by it";
    throw new NodeError("NODE_BAD_URL", says);
  }
  const fingerprint = given?.replaceAll(":", "").toLowerCase();
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/.test(fingerprint)) {
    const says = `behind the # belongs the hub's fingerprint, 64 hexadecimal digits: ${form}`;
    throw new NodeError("NODE_BAD_URL", says);
  }
  try {
    parseHostAndPort(address, "tls");
  } catch (error) {
    throw new NodeError("NODE_BAD_URL", `${address} is no address of a hub: ${form}`, {
      cause: error,
    });
  }
  return { url: address, fingerprint };
}

/** What the environment says, for programs that were told nothing: BANYAN_TOKEN, or BANYAN_USER and BANYAN_PASSWORD. */
export function credentialsFrom(
  env: Readonly<Record<string, string | undefined>>,
): Credentials | undefined {
  const { BANYAN_TOKEN: token, BANYAN_USER: user, BANYAN_PASSWORD: password } = env;
  if (token !== undefined && token !== "") return { token };
  if (password === undefined) return undefined;
  return checkCredentials({ user, password });
}

/**
 * What can't be anybody's is not sent.
 *
 * @throws NodeError `NODE_BAD_CREDENTIALS`
 */
export function checkCredentials(given: unknown): Credentials {
  const { user, password, token } = Object(given) as Readonly<Record<string, unknown>>;
  if (token !== undefined) {
    if (typeof token === "string" && token !== "") return { token };
    throw badCredentials(`a token is text, not ${kindOf(token)}`);
  }
  if (password === undefined) throw badCredentials("a user needs a password, or a token");
  if (typeof password !== "string") {
    throw badCredentials(`a password is text, not ${kindOf(password)}`);
  }
  if (typeof user === "string" && isUserName(user)) return { user, password };
  const name = user === undefined || user === "" ? "without a name" : "with what is no user's name";
  throw badCredentials(`there is a password ${name}: give the user`);
}

function badCredentials(says: string): NodeError {
  return new NodeError("NODE_BAD_CREDENTIALS", says);
}

/**
 * A session with a hub on the network. Nothing is shown to a hub whose certificate is another's.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; RemoteError `REMOTE_DENIED` where the hub does not let this
 *   user in; the signal's reason
 */
export async function dialNetworkHub(
  hub: NetworkHub,
  credentials: Shown | undefined,
  signal: AbortSignal,
): Promise<Session> {
  try {
    return await dial(hub, credentials, signal);
  } catch (error) {
    if (credentials === undefined || !BanyanError.has(error, "REMOTE_DENIED")) throw error;
    throw (await methodRefusal(hub, credentials, signal).catch(() => undefined)) ?? error;
  }
}

/** What to say where it is the way of saying who one is that the hub does not take. */
async function methodRefusal(
  hub: NetworkHub,
  credentials: Shown,
  signal: AbortSignal,
): Promise<RemoteError | undefined> {
  const method = "token" in credentials ? "token" : "password";
  if (!(method in credentials)) return undefined;
  const session = await dial(hub, { methods: true }, signal);
  try {
    const taken = await session.remote<() => readonly string[], "copy">(METHODS_EXPORT)();
    if (taken.includes(method)) return undefined;
    const says = `nobody is let in by ${method} at ${hub.url}; it takes: ${taken.join(", ") || "nobody"}`;
    return new RemoteError("REMOTE_DENIED", says, { details: { wants: taken } });
  } finally {
    await session.close();
  }
}

async function dial(
  hub: NetworkHub,
  credentials: Shown | { readonly methods: true } | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const { url, fingerprint } = hub;
  using either = linkSignals(signal);
  using _timer = systemClock.after(DIAL_MS, () =>
    either.abort(new ChannelError("CHANNEL_REFUSED", `nothing answers at ${url}`)),
  );
  const tls = fingerprint === undefined ? {} : { fingerprints: [fingerprint] };
  const channel = await dialTls(url, { signal: either.signal, tls }).catch((error: unknown) => {
    throw explained(error, hub);
  });
  try {
    return await openSession(channel, {
      plain: "copy",
      name: "client",
      limits: { helloMs: HELLO_MS },
      credentials,
      signal,
    });
  } catch (error) {
    if (credentials !== undefined || !BanyanError.has(error, "REMOTE_DENIED")) throw error;
    const says = `${url} wants to know who this is: give a user and a password, or a token`;
    throw new RemoteError("REMOTE_DENIED", says, { cause: error, details: { wants: "login" } });
  }
}

function explained(error: unknown, { url, fingerprint }: NetworkHub): unknown {
  const cause = BanyanError.is(error) ? (error.cause as NodeJS.ErrnoException) : undefined;
  if (fingerprint !== undefined || !NOT_TRUSTED.test(cause?.code ?? "")) return error;
  const says = `no authority that this machine trusts vouches for ${url}; add # and the fingerprint that the hub prints when it begins to listen`;
  return new ChannelError("CHANNEL_REFUSED", says, { cause });
}
