import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";

import { abortable } from "../base/abort.ts";
import { deferred } from "../base/deferred.ts";
import type { Channel, DialOptions } from "./channel.ts";
import { refused } from "./network.ts";
import { processChannel, SHIELD } from "./process-channel.ts";

export interface SshOptions extends DialOptions {
  /** As `ssh` takes it: a name out of its configuration, `user@name`, an address. */
  readonly host: string;
  /** What runs there, with `stdioChannel()`: a command and its arguments, which no shell changes. */
  readonly command: readonly [string, ...string[]];
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  /** The private key's file. */
  readonly identity?: string | undefined;
  /** A configuration file instead of the user's. */
  readonly config?: string | undefined;
  /** Further settings of `ssh_config`, as `{ StrictHostKeyChecking: "accept-new" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** The program. Default `ssh`. */
  readonly ssh?: string | undefined;
  /** Gets what the far side prints, and what `ssh` itself says. */
  readonly onLog?: ((text: string) => void) | undefined;
}

interface SshProcess {
  readonly channel: Channel;
  readonly child: ChildProcess;
}

/** A server that says nothing for so long, in seconds, three times running, is gone. */
const ALIVE_SECONDS = 10;

/** How much of what `ssh` says is kept for the error. */
const MAX_SAID = 2_000;

/** How long `ssh` may take to end once its channel is closed. */
const END_MS = 2_000;

/**
 * Runs `command` on another machine through the system's `ssh`, which knows the user's hosts, keys and
 * agents, and asks nobody anything. The far side needs a POSIX shell; what the command prints goes
 * to `onLog`, and what login scripts print before is skipped. A dead connection closes the channel
 * within half a minute: `ssh` looks for it.
 *
 * @throws ChannelError `CHANNEL_REFUSED`, with what `ssh` said; the signal's reason
 */
export async function dialSsh(options: SshOptions): Promise<Channel> {
  return (await startSsh(options)).channel;
}

/** As `dialSsh`, and the `ssh` that runs here as well. It ends soon after its channel. */
export async function startSsh(options: SshOptions): Promise<SshProcess> {
  const { signal, limits, host, ssh = "ssh", onLog } = options;
  signal.throwIfAborted();
  const mark = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const child = spawn(ssh, sshArguments(options, mark), { stdio: ["pipe", "pipe", "pipe"] });
  const pipes = { input: child.stdin, output: child.stdout };
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-MAX_SAID);
    onLog?.(text);
  });
  try {
    await abortable(untilReady(child, mark), signal);
  } catch (error) {
    child.kill();
    signal.throwIfAborted();
    const why = said.trim() || (error instanceof Error ? error.message : String(error));
    throw refused(`can't reach ${host} through ssh: ${why}`, error);
  }
  const channel = processChannel(child, pipes, { label: `ssh:${host}#${child.pid}`, limits });
  void channel.closed.then(() => endSoon(child));
  return { channel, child };
}

/**
 * The arguments for `ssh`. Nothing that a caller gives can become an option: each value is attached to
 * its own, and the host stands behind the end of options.
 *
 * @throws TypeError for a host, user or setting that `ssh` would take for something else
 */
function sshArguments(options: SshOptions, mark: string): readonly string[] {
  const { host, user, port, identity, config, settings = {}, command } = options;
  for (const word of [host, user]) {
    if (word !== undefined && !/^[^-\s\0][^\s\0]*$/.test(word)) {
      throw new TypeError(`not a name for ssh: ${JSON.stringify(word)}`);
    }
  }
  const given = Object.entries({
    BatchMode: "yes",
    ServerAliveInterval: String(ALIVE_SECONDS),
    ...settings,
  }).flatMap(([name, value]) => ["-o", setting(name, value)]);
  return [
    "-T",
    ...given,
    ...(config === undefined ? [] : ["-F", config]),
    ...(identity === undefined ? [] : ["-i", identity]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    "--",
    host,
    remoteCommand(command, mark),
  ];
}

function setting(name: string, value: string): string {
  if (/^[A-Za-z]+$/.test(name) && !/[\n\0]/.test(value)) return `${name}=${value}`;
  throw new TypeError(`not a setting of ssh: ${JSON.stringify([name, value])}`);
}

/** One line for the far side's login shell, whatever that is: every word is in single quotes. */
function remoteCommand(command: readonly string[], mark: string): string {
  const script = `${SHIELD}; printf %s ${mark} >&3; exec "$0" "$@"`;
  return ["exec", ...["sh", "-c", script, ...command].map(quote)].join(" ");
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Waits for the mark, behind which the first message may be, and skips what comes before it. */
async function untilReady(child: ChildProcess, mark: string): Promise<void> {
  const ended = deferred<never>();
  // Not "exit": what it said last may come after that.
  child.once("close", (code) => ended.reject(new Error(`ssh exited with code ${code}`)));
  child.once("error", ended.reject);
  ended.promise.catch(() => {});
  await Promise.race([skipUntil(child.stdout as Readable, mark), ended.promise]);
}

function skipUntil(stream: Readable, mark: string): Promise<void> {
  const wanted = Buffer.from(mark);
  let last: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const look = (): void => {
      for (let chunk = take(stream); chunk !== null; chunk = take(stream)) {
        const seen = Buffer.concat([last, chunk]);
        const at = seen.indexOf(wanted);
        if (at < 0) {
          last = seen.subarray(-wanted.length);
          continue;
        }
        stream.off("readable", look);
        const rest = seen.subarray(at + wanted.length);
        if (rest.length > 0) stream.unshift(rest);
        resolve();
        return;
      }
    };
    stream.on("readable", look);
  });
}

function take(stream: Readable): Buffer | null {
  return stream.read() as Buffer | null;
}

/** `ssh` ends when the far side does; one that hangs is ended. */
function endSoon(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => void child.kill("SIGKILL"), END_MS);
  timer.unref();
  child.once("exit", () => clearTimeout(timer));
}
