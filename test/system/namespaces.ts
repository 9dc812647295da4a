/** Two machines for a test: network namespaces with a cable between them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

import { COMMAND, type CommandResult } from "./kit.ts";

/** Why there can be none here; undefined where they can be made. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  const name = `bt${process.pid}try`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.error !== undefined) return "there is no `ip` command (package iproute2)";
  if (made.status !== 0) return `\`ip netns add\` fails: ${made.stderr.trim()}`;
  const link = ["-n", name, "link", "add", "name", "bt0", "type", "veth", "peer", "name", "bt1"];
  const linked = spawnSync("ip", link, { encoding: "utf8" });
  spawnSync("ip", ["netns", "del", name]);
  return linked.status === 0 ? undefined : `no veth can be made: ${linked.stderr.trim()}`;
}

/** One of the two. */
export class Machine {
  readonly address: string;
  readonly namespace: string;
  readonly #children: ChildProcess[] = [];

  constructor(namespace: string, address: string) {
    this.namespace = namespace;
    this.address = address;
  }

  /** The command, to its end. */
  async run(args: readonly string[], cwd: string): Promise<CommandResult> {
    const child = this.#spawn(args, cwd);
    const exit = once(child, "exit");
    const [stdout, stderr] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
    ]);
    const [code] = (await exit) as [number | null];
    return { code, stdout, stderr };
  }

  /** The command, which goes on; `log` grows with what it says on stderr. */
  start(args: readonly string[], cwd: string): { readonly child: ChildProcess; log: string } {
    const child = this.#spawn(args, cwd);
    const going = { child, log: "" };
    child.stderr?.on("data", (chunk) => (going.log += String(chunk)));
    child.stdout?.resume();
    return going;
  }

  /** As when the power goes: nothing of what runs there says good-bye. */
  async crash(): Promise<void> {
    const gone = this.#children.filter(
      (child) => child.exitCode === null && child.signalCode === null,
    );
    await Promise.all(
      gone.map(async (child) => {
        const exit = once(child, "exit");
        child.kill("SIGKILL");
        await exit;
      }),
    );
    this.#children.length = 0;
  }

  #spawn(args: readonly string[], cwd: string): ChildProcess {
    // `ip netns exec` becomes the command: its process is the one that is killed.
    const command = ["netns", "exec", this.namespace, process.execPath, COMMAND, ...args];
    const child = spawn("ip", command, { cwd, env: { ...process.env, NO_COLOR: "1" } });
    this.#children.push(child);
    return child;
  }
}

/** Two machines and the cable between them. Disposing ends everything that runs on them. */
export class Cable implements AsyncDisposable {
  readonly near: Machine;
  readonly far: Machine;

  constructor() {
    const name = `bt${process.pid}`;
    const net = `10.${200 + (process.pid % 50)}.${process.pid % 250}`;
    this.near = new Machine(`${name}a`, `${net}.1`);
    this.far = new Machine(`${name}b`, `${net}.2`);
    for (const { namespace } of [this.near, this.far]) ip("netns", "add", namespace);
    ip(
      "-n",
      this.near.namespace,
      "link",
      "add",
      "name",
      "cable",
      "type",
      "veth",
      "peer",
      "name",
      "other",
    );
    ip("-n", this.near.namespace, "link", "set", "other", "netns", this.far.namespace);
    for (const [{ namespace, address }, device] of this.#ends()) {
      ip("-n", namespace, "address", "add", `${address}/24`, "dev", device);
      ip("-n", namespace, "link", "set", device, "up");
      ip("-n", namespace, "link", "set", "lo", "up");
    }
  }

  /** Nothing passes, and nobody is told. */
  cut(): void {
    // The far side's own link stays up: it can't tell this from silence.
    ip("-n", this.near.namespace, "neigh", "flush", "all");
    for (const [{ namespace }, device] of this.#ends())
      ip("-n", namespace, "link", "set", device, "down");
  }

  heal(): void {
    for (const [{ namespace }, device] of this.#ends())
      ip("-n", namespace, "link", "set", device, "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.near.crash(), this.far.crash()]);
    for (const { namespace } of [this.near, this.far]) ip("netns", "del", namespace);
  }

  #ends(): [Machine, string][] {
    return [
      [this.near, "cable"],
      [this.far, "other"],
    ];
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
