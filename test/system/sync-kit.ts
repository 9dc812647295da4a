import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";

import type * as RemoteModule from "../../src/remote.ts";
import { ROOT, temporaryFolder } from "./kit.ts";

export const DIST = join(ROOT, "dist");

/** The built package: threads and processes can't run the sources. */
export async function loadRemote(): Promise<typeof RemoteModule> {
  return (await import(pathToFileURL(join(DIST, "remote.js")).href)) as typeof RemoteModule;
}

const SCRIPT = join(ROOT, "test/system/processes/sync-thread.mjs");

/** What `sync-thread.mjs` offers. */
export interface Api {
  value: number;
  echo<T>(value: T): T;
  size(bytes: Uint8Array): number;
  call<R, A extends unknown[]>(f: (...args: A) => R, ...args: A): R;
  fail(message: string): never;
  later(f: (n: number) => number, n: number): Promise<number>;
  down(n: number, there: Pick<Api, "down">): number;
  callBack(times: number): number;
  sendBytes(length: number): number;
  busy(ms: number): { ended: boolean };
  exit(): void;
  die(): void;
  pid: number;
  Counter: new () => { add(n: number): number };
  list: number[];
}

export interface FarThread extends AsyncDisposable {
  readonly port: MessagePort;
  readonly exited: Promise<number>;
  /** Ends it from outside; it does nothing more to tell anybody. */
  terminate(): Promise<number>;
}

/** A thread that has `Api` to offer at the other end of `port`. */
export function startThread(): FarThread {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(SCRIPT, { workerData: { dist: DIST, port: port2 }, transferList: [port2] }); // prettier-ignore
  const exited = new Promise<number>((resolve) => void worker.once("exit", resolve));
  return {
    port: port1,
    exited,
    terminate: () => worker.terminate(),
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

export interface FarProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** A process that offers `Api` on a unix socket, with proxies. */
export async function startProcess(): Promise<FarProcess> {
  const folder = temporaryFolder();
  const url = `unix:${join(folder.path, "sync.sock")}`;
  const child = spawn(process.execPath, [SCRIPT, DIST, "listen", url], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    url,
    pid: child.pid as number,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.stdin.end();
        await once(child, "exit");
      }
      folder[Symbol.dispose]();
    },
  };
}
