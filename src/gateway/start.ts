import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { GatewayError } from "../base/errors.ts";
import { childChannel } from "../channel/child.ts";
import { portChannel } from "../channel/port.ts";
import { startSsh } from "../channel/ssh.ts";
import { bootScript, workerScript } from "./boot.ts";
import type { Exit, Interpreter } from "./interpreter.ts";
import { formatSpec, type GatewaySpec, kindOfSpec } from "./spec.ts";
import { parseSshWords } from "./ssh-words.ts";

export interface StartOptions {
  readonly signal: AbortSignal;
  /** What the far side runs. */
  readonly source: string;
  /** Gets what the far side prints; without it, that goes to this process's standard error. */
  readonly onLog?: ((text: string) => void) | undefined;
  /** The program for `ssh=`. */
  readonly ssh?: string | undefined;
}

/** The one two-way pipe of a child. */
const PIPE = 3;

/**
 * Starts what a spec of the kinds `popen`, `worker` and `ssh` says, from here.
 *
 * @throws GatewayError `GATEWAY_NOT_STARTED`, `GATEWAY_BAD_SPEC`; ChannelError; the signal's reason
 */
export async function startInterpreter(
  spec: GatewaySpec,
  options: StartOptions,
): Promise<Interpreter> {
  options.signal.throwIfAborted();
  const kind = kindOfSpec(spec);
  if (kind === "popen") return await startProcess(spec, options);
  if (kind === "worker") return startThread(spec, options);
  if (kind === "ssh") return await startRemote(spec, options);
  const says = `${formatSpec(spec)} can't be started from there: reach it from here, or by ssh`;
  throw new GatewayError("GATEWAY_BAD_SPEC", says);
}

async function startProcess(
  { node, env }: GatewaySpec,
  { onLog }: StartOptions,
): Promise<Interpreter> {
  const script = bootScript({ read: PIPE, write: PIPE, remote: false });
  const child = spawn(node ?? process.execPath, ["-e", script], {
    // Whatever it prints is a log, and can't get between the messages.
    stdio: ["ignore", onLog === undefined ? 2 : "pipe", onLog === undefined ? 2 : "pipe", "pipe"],
    env: { ...process.env, ...env },
    windowsHide: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => onLog?.(text));
  }
  const label = `popen#${child.pid}`;
  const channel = childChannel(child, { fd: PIPE, label });
  const exited = exitOf(child);
  // It throws where there is no such program.
  await once(child, "spawn");
  return {
    label,
    channel,
    wantsSource: true,
    exited,
    end: (signal) => void child.kill(signal),
  };
}

async function startRemote(
  spec: GatewaySpec,
  { signal, onLog, ssh }: StartOptions,
): Promise<Interpreter> {
  const target = parseSshWords(spec.ssh ?? "");
  const { child, channel } = await startSsh({
    ...target,
    ...(spec.sshConfig === undefined ? {} : { config: spec.sshConfig }),
    command: [spec.node ?? "node", "-e", bootScript({ read: 4, write: 3, remote: true })],
    signal,
    ssh,
    onLog: onLog ?? ((text) => void process.stderr.write(text)),
  });
  return {
    label: channel.label,
    channel,
    wantsSource: true,
    exited: exitOf(child),
    // Its end is the connection's, which the far side notices, also where it computes.
    end: (how) => void child.kill(how),
  };
}

function startThread({ env, id }: GatewaySpec, { onLog, source }: StartOptions): Interpreter {
  const worker = new Worker(workerScript(), {
    eval: true,
    workerData: { source },
    env: { ...process.env, ...env },
    stdout: true,
    stderr: true,
    ...(id === undefined ? {} : { name: id }),
  });
  const log = onLog ?? ((text: string) => void process.stderr.write(text));
  for (const stream of [worker.stdout, worker.stderr]) {
    stream.setEncoding("utf8").on("data", log);
  }
  const label = `worker#${worker.threadId}`;
  // In the same turn, or its first messages are lost.
  const channel = portChannel(worker, { label });
  const exited = new Promise<Exit>((resolve) => {
    worker.once("exit", (code) => resolve({ code, signal: null }));
  });
  return { label, channel, wantsSource: false, exited, end: () => void worker.terminate() };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve({ code: child.exitCode, signal: child.signalCode });
    }
    child.once("exit", (code, signal) => resolve({ code, signal }));
    // One that could not be started never exits.
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}
