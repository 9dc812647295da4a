// Nodes as processes of the command, on a tree of their own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { open } from "banyan";

import { end, keep, temporaryFolder } from "./measure.mjs";

const COMMAND = fileURLToPath(new URL("../../dist/entry/banyan.js", import.meta.url));

export async function openCluster() {
  const folder = temporaryFolder();
  return new Cluster(folder, await open(folder, { create: true, author: "bench" }));
}

class Cluster {
  #nodes = new Map();
  folder;
  tree;

  constructor(folder, tree) {
    this.folder = folder;
    this.tree = tree;
  }

  /** Starts a node; resolves with its process when it holds its lease. */
  async start(name) {
    const args = [COMMAND, "-t", this.folder, "node", "run", "-n", name];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    keep(child);
    this.#nodes.set(name, child);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-4000)));
    const early = once(child, "exit").then(([code, signal]) => {
      throw new Error(`node ${name} ended with ${code ?? signal}: ${said}`);
    });
    early.catch(() => {});
    await Promise.race([this.beats(name, { pid: child.pid, count: 1 }), early]);
    return child;
  }

  process(name) {
    return this.#nodes.get(name);
  }

  /** Resolves when the node of that process has shown `count` times that it is alive. */
  async beats(name, { pid, count }) {
    let left = count;
    await this.until(this.tree.system.node.append(name), (entry) => {
      if (entry.pid === pid && entry.ended === undefined) left--;
      return left === 0;
    });
  }

  /** Resolves with the first value at or below `path` for which `holds`, now or later. */
  async until(path, holds) {
    for await (const event of this.tree.watch(path)) {
      if (event.type === "put" && holds(event.entry.value)) return event.entry.value;
    }
    throw new Error("the watch ended");
  }

  async close() {
    await Promise.all([...this.#nodes.values()].map((child) => end(child)));
    await this.tree.close();
  }
}

/** Megabytes that a process has in memory. */
export function residentMb(pid) {
  return statusMb(pid, "VmRSS");
}

/** Those among them that are its own, and no pages of a file. */
export function ownMb(pid) {
  return statusMb(pid, "RssAnon");
}

function statusMb(pid, field) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "mu").exec(status)[1]) / 1024;
}
