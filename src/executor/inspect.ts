import { Session } from "node:inspector";

import { deferred } from "../base/deferred.ts";
import type { StallPlace } from "./executor.ts";
import { CURRENT_RUN_SYMBOL } from "./thread-protocol.ts";

export interface InspectOptions {
  /** The `name` the worker was started with; unique in this process. */
  readonly threadName: string;
  /** How long the thread may take to stop at a statement. */
  readonly timeoutMs: number;
}

/** One at a time: each attaches to every worker of the process. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Stops a worker thread of this process at the statement it is executing, reads where that is and
 * whose code, and lets it go on, with the debugger off: a thread that is ended while it is stopped
 * never ends. `undefined` where it can't be stopped, as in a long native call.
 */
export function inspectThread(options: InspectOptions): Promise<StallPlace | undefined> {
  const inspection = queue.then(() => inspect(options));
  queue = inspection.catch(() => {});
  return inspection;
}

async function inspect(options: InspectOptions): Promise<StallPlace | undefined> {
  const session = new Session();
  session.connect();
  try {
    const deadline = new Deadline(options.timeoutMs);
    const thread = await deadline.race(attach(session, options.threadName));
    if (thread === undefined) return undefined;
    try {
      void thread.post("Debugger.enable");
      void thread.post("Debugger.pause");
      const frames = await deadline.race(thread.paused);
      if (frames === undefined) return undefined;
      const runId = await deadline.race(currentRun(thread));
      return { runId, frames };
    } finally {
      // Also where it never paused: the request may still be on its way.
      void thread.post("Debugger.resume");
      await new Deadline(DETACH_MS).race(thread.post("Debugger.disable"));
    }
  } finally {
    session.disconnect();
  }
}

const DETACH_MS = 200;

async function currentRun(thread: AttachedThread): Promise<string | undefined> {
  const answer = await thread.post("Runtime.evaluate", {
    expression: `globalThis[Symbol.for(${JSON.stringify(CURRENT_RUN_SYMBOL)})]?.()`,
    returnByValue: true,
  });
  const value = (answer as { result?: { value?: unknown } } | undefined)?.result?.value;
  return typeof value === "string" ? value : undefined;
}

interface AttachedThread {
  /** The frames of the first stop, innermost first. */
  readonly paused: Promise<readonly string[]>;
  post(method: string, params?: object): Promise<unknown>;
}

interface WorkerMessage {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly params?: {
    readonly scriptId?: string;
    readonly url?: string;
    readonly callFrames?: readonly CallFrame[];
  };
}

interface CallFrame {
  readonly location: {
    readonly scriptId: string;
    readonly lineNumber: number;
    readonly columnNumber?: number;
  };
}

function attach(session: Session, threadName: string): Promise<AttachedThread> {
  return new Promise((resolve) => {
    session.on("NodeWorker.attachedToWorker", ({ params }) => {
      // The title ends with the name; ids of the inspector are not those of the threads.
      if (params.workerInfo.title.endsWith(threadName)) {
        resolve(talkTo(session, params.sessionId));
      }
    });
    session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  });
}

function talkTo(session: Session, sessionId: string): AttachedThread {
  const urls = new Map<string, string>();
  const waiting = new Map<number, (result: unknown) => void>();
  const paused = deferred<readonly string[]>();

  session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
    if (params.sessionId !== sessionId) return;
    const message = JSON.parse(params.message) as WorkerMessage;
    if (message.id !== undefined) {
      waiting.get(message.id)?.(message.result);
      waiting.delete(message.id);
    } else if (message.method === "Debugger.scriptParsed") {
      urls.set(message.params?.scriptId ?? "", message.params?.url ?? "");
    } else if (message.method === "Debugger.paused") {
      paused.resolve((message.params?.callFrames ?? []).map((frame) => showFrame(frame, urls)));
    }
  });

  let lastId = 0;
  return {
    paused: paused.promise,
    post: (method, params = {}) =>
      new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, resolve);
        const message = JSON.stringify({ id, method, params });
        session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
      }),
  };
}

function showFrame({ location }: CallFrame, urls: ReadonlyMap<string, string>): string {
  const url = urls.get(location.scriptId) || "unknown";
  return `${url}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
}

/** One limit on several waits. Real time: what it waits for is a thread, not a clock. */
class Deadline {
  readonly #at: number;

  constructor(limitMs: number) {
    this.#at = performance.now() + limitMs;
  }

  async race<T>(promise: Promise<T>): Promise<T | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), Math.max(this.#at - performance.now(), 0));
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
