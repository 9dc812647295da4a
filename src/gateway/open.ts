import { onAbort, linkSignals } from "../base/abort.ts";
import { BanyanError, ChannelError, GatewayError } from "../base/errors.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import type { TlsIdentity } from "../channel/tls-identity.ts";
import type { HeartbeatOptions } from "../remote/heartbeat.ts";
import type { Policy } from "../remote/policy.ts";
import type { SessionLimits } from "../remote/protocol.ts";
import { openSession, type Session } from "../remote/session.ts";
import type { Trace } from "../remote/trace.ts";
import type { Remote, RemoteResult } from "../remote/types.ts";
import { TOO_OLD } from "./boot.ts";
import { ChannelTable } from "./channel-table.ts";
import type { FarPort } from "./far.ts";
import { farSource } from "./far-source.ts";
import { Gateway } from "./gateway.ts";
import { endInterpreter, type Interpreter } from "./interpreter.ts";
import { startThrough } from "./link.ts";
import { GatewayPort, PORT } from "./port.ts";
import { type GatewaySide, NamedObjects } from "./side.ts";
import { dialServer } from "./socket.ts";
import { checkSpec, formatSpec, type GatewaySpec, kindOfSpec, parseSpec } from "./spec.ts";
import { startInterpreter, type StartOptions } from "./start.ts";

export interface GatewayOptions {
  /** Gives up opening it. Default: after 30 seconds. */
  readonly signal?: AbortSignal | undefined;
  /** Gets what the far side prints; without it, that goes to this process's standard error. */
  readonly onLog?: ((text: string) => void) | undefined;
  /** The gateway from which it is started, for specs with `via`. A group finds it by its id. */
  readonly via?: Gateway | undefined;
  /** What code of the far side may do with objects of this side. Default "capability". */
  readonly policy?: Policy | undefined;
  /** The program for `ssh=`. Default `ssh`. */
  readonly ssh?: string | undefined;
  /** For `socket=`: what the server asks for. */
  readonly token?: string | undefined;
  /** For `socket=`, where the server has it: whom to trust. */
  readonly tls?: TlsIdentity | undefined;
  readonly limits?: Partial<SessionLimits> | undefined;
  readonly heartbeat?: HeartbeatOptions | boolean | undefined;
  readonly trace?: Trace | undefined;
}

/** @private */
export const GATEWAY_OPTIONS: OptionNames<GatewayOptions> = {
  signal: true,
  onLog: true,
  via: true,
  policy: true,
  ssh: true,
  token: true,
  tls: true,
  limits: true,
  heartbeat: true,
  trace: true,
};

const OPEN_MS = 30_000;
let lastNumber = -1;

/**
 * Starts an interpreter as `spec` says, and gives it what it needs to know: nothing but Node has to be
 * there. See `GatewaySpec`; text is read by `parseSpec`.
 *
 * @throws GatewayError `GATEWAY_BAD_SPEC`, `GATEWAY_NOT_STARTED`; the signal's reason
 */
export async function openGateway(
  spec: string | GatewaySpec = "popen",
  options: GatewayOptions = {},
): Promise<Gateway> {
  checkOptions(options, GATEWAY_OPTIONS, "openGateway");
  const checked = typeof spec === "string" ? parseSpec(spec) : checkSpec(spec);
  if (checked.via !== undefined && options.via === undefined) {
    const says = `${formatSpec(checked)}: via names a gateway of a group; outside of one, pass { via: gateway }`;
    throw new GatewayError("GATEWAY_BAD_SPEC", says);
  }
  return await begin(checked, checked.id ?? `gateway${++lastNumber}`, options);
}

/** The same for a spec that was checked. @private */
export async function begin(
  spec: GatewaySpec,
  id: string,
  options: GatewayOptions,
): Promise<Gateway> {
  using linked = linkSignals(options.signal ?? AbortSignal.timeout(OPEN_MS));
  const { signal } = linked;
  signal.throwIfAborted();
  let said = "";
  const log = options.onLog ?? ((text: string) => void process.stderr.write(text));
  const source = await farSource();
  const start: StartOptions = { signal, source, ssh: options.ssh, onLog: options.onLog };
  // Over a network, what the other machine says is often the only reason there is.
  const remoteStart = {
    ...start,
    onLog: (text: string): void => {
      said = (said + text).slice(-MAX_SAID);
      log(text);
    },
  };
  const isHere = kindOfSpec(spec) !== "ssh" && options.via === undefined;
  try {
    const started = await reach(spec, isHere ? start : remoteStart, options);
    return await greet(started, { spec, id, source, signal, options });
  } catch (error) {
    signal.throwIfAborted();
    throw notStarted(spec, error, said);
  }
}

const MAX_SAID = 1_000;

interface Started {
  readonly interpreter: Interpreter;
  readonly release: () => Promise<void>;
}

async function reach(
  spec: GatewaySpec,
  start: StartOptions,
  options: GatewayOptions,
): Promise<Started> {
  if (options.via !== undefined) {
    const interpreter = await startThrough(options.via.starts, spec, start);
    return { interpreter, release: async () => {} };
  }
  if (kindOfSpec(spec) !== "socket") {
    return { interpreter: await startInterpreter(spec, start), release: async () => {} };
  }
  const server = await dialServer(spec.socket ?? "", start.signal, options);
  const release = (): Promise<void> => server.session.close();
  try {
    const { env, nice, chdir } = spec;
    const wanted = { popen: true, env, nice, chdir };
    return { interpreter: await startThrough(server, wanted, start), release };
  } catch (error) {
    await release();
    throw error;
  }
}

interface Greeting {
  readonly spec: GatewaySpec;
  readonly id: string;
  readonly source: string;
  readonly signal: AbortSignal;
  readonly options: GatewayOptions;
}

/** Opens the session with an interpreter that has just started; whatever fails ends that. */
async function greet(started: Started, greeting: Greeting): Promise<Gateway> {
  const { interpreter, release } = started;
  const { spec, id, source, signal, options } = greeting;
  const { channel } = interpreter;
  const objects = new NamedObjects();
  const side = new LateSide(id);
  const channels = new ChannelTable(side, 1);
  try {
    if (interpreter.wantsSource) channel.send(new TextEncoder().encode(source));
    const { policy, limits, heartbeat = false, trace } = options;
    const session = await openSession(channel, {
      exports: { [PORT]: new GatewayPort(channels, objects) },
      policy,
      plain: "copy",
      limits,
      heartbeat,
      trace,
      signal,
      valueClasses: channels.valueClasses,
    });
    const port = session.remote<FarPort, "copy">(PORT);
    channels.connect(port);
    const info = await beginThere(session, port, greeting);
    const parts = { spec, info, session, port, interpreter, channels, objects, release };
    return (side.gateway = new Gateway(id, parts));
  } catch (error) {
    const cause = await reasonOf(error, interpreter);
    channel.abort(new ChannelError("CHANNEL_CLOSED", "the gateway was not opened", { cause }));
    await endInterpreter(interpreter, { graceMs: 0 });
    await release();
    throw cause;
  }
}

/** A session that is open is not left by giving up: it is ended. */
async function beginThere(
  session: Session,
  port: Remote<FarPort, "copy">,
  { spec: { chdir, nice, env }, id, signal }: Greeting,
): Promise<Gateway["info"]> {
  using _listener = onAbort(signal, () => session.abort(signal.reason as Error));
  return await port.begin({ id, chdir, nice, env });
}

/** What an end of the pipes means is in how the process ended, which may be known a moment later. */
async function reasonOf(failure: unknown, { channel, exited }: Interpreter): Promise<unknown> {
  if (!BanyanError.has(failure, "REMOTE_BROKEN") || channel.state !== "closed") return failure;
  const [reason, exit] = await Promise.all([channel.closed, exited]);
  if (exit.code === TOO_OLD) return new Error("its Node is too old: 20.19 or newer is needed");
  if (exit.code === 127) {
    return new Error("there is no node in its path; say where, as node=/opt/node/bin/node");
  }
  return reason?.cause ?? reason ?? failure;
}

function notStarted(spec: GatewaySpec, error: unknown, said: string): unknown {
  if (BanyanError.has(error, "GATEWAY_BAD_SPEC")) return error;
  const why = error instanceof Error ? error.message : String(error);
  const also = said.trim() === "" || why.includes(said.trim()) ? "" : `; it said: ${said.trim()}`;
  const says = `${formatSpec(spec)} did not start: ${why}${also}`;
  return new GatewayError("GATEWAY_NOT_STARTED", says, { cause: error });
}

/** This side, as the channels know it before the gateway is there. */
class LateSide implements GatewaySide {
  readonly id: string;
  gateway: Gateway | undefined;

  constructor(id: string) {
    this.id = id;
  }

  remote<T>(name: string): RemoteResult<T, "copy"> {
    return this.#open().remote<T>(name);
  }

  names(): Promise<string[]> {
    return this.#open().names();
  }

  expose(name: string, object: unknown): void {
    this.#open().expose(name, object);
  }

  #open(): Gateway {
    if (this.gateway === undefined) throw new TypeError("the gateway is not open yet");
    return this.gateway;
  }
}
