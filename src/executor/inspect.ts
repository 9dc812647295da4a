import { Session } from "node:inspector";

import { deferred } from "../base/deferred.ts";
import type { StallPlace } from "./executor.ts";
import { CURRENT_RUN_SYMBOL } from "./thread-protocol.ts";

export interface InspectOptions {
  /** The `name` the worker was started with; unique in this process. */
  readonly threadName: string;
  /** How long the thread may take to stop at a statement. */
  readonly timeoutMs: number;
  /** Whether a frame says anything: it looks several times for a stop with such a one. */
  readonly isTelling: (frame: string) => boolean;
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
      const frames = await stopAtTelling(thread, options.isTelling, deadline);
      if (frames === undefined) return undefined;
      const runId = await deadline.race(currentRun(thread));
      return { runId, frames: frames.filter(options.isTelling) };
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

/** A loop through promises is mostly found in Node's own bookkeeping of them. */
const MAX_LOOKS = 50;
/** A request to stop that comes at a bad moment gets lost. */
const LOOK_MS = 300;
const RESUME_MS = 100;

/** The frames of a stop that says something, of another if none does; `undefined` if it never stops. */
async function stopAtTelling(
  thread: AttachedThread,
  isTelling: (frame: string) => boolean,
  deadline: Deadline,
): Promise<readonly string[] | undefined> {
  void thread.post("Debugger.enable");
  let frames: readonly string[] | undefined;
  for (let look = 0; look < MAX_LOOKS && !deadline.passed; look++) {
    if (look > 0) await goOn(thread);
    frames = await new Deadline(LOOK_MS).race(thread.pause());
    if (frames?.some(isTelling) === true) break;
  }
  return frames;
}

/** Lets it run for a moment: at once it would stop at the very next statement. */
async function goOn(thread: AttachedThread): Promise<void> {
  await new Deadline(RESUME_MS).race(thread.resume());
  await new Promise((resolve) => setTimeout(resolve, 1));
}

async function currentRun(thread: AttachedThread): Promise<string | undefined> {
  const answer = await thread.post("Runtime.evaluate", {
    expression: `globalThis[Symbol.for(${JSON.stringify(CURRENT_RUN_SYMBOL)})]?.()`,
    returnByValue: true,
  });
  const value = (answer as { result?: { value?: unknown } } | undefined)?.result?.value;
  return typeof value === "string" ? value : undefined;
}

interface AttachedThread {
  /** Stops it; resolves with the frames, innermost first. */
  pause(): Promise<readonly string[]>;
  /** Lets it go on; resolves when it does. A pause asked for before that would be lost. */
  resume(): Promise<void>;
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
  let paused = deferred<readonly string[]>();
  let resumed = deferred<void>();

  const onEvent: Readonly<Record<string, (params: WorkerMessage["params"]) => void>> = {
    "Debugger.scriptParsed": (params) => urls.set(params?.scriptId ?? "", params?.url ?? ""),
    "Debugger.paused": (params) =>
      paused.resolve((params?.callFrames ?? []).map((frame) => showFrame(frame, urls))),
    "Debugger.resumed": () => resumed.resolve(),
  };
  session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
    if (params.sessionId !== sessionId) return;
    const message = JSON.parse(params.message) as WorkerMessage;
    if (message.id === undefined) return onEvent[message.method ?? ""]?.(message.params);
    waiting.get(message.id)?.(message.result);
    waiting.delete(message.id);
  });

  let lastId = 0;
  const post = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve) => {
      const id = ++lastId;
      waiting.set(id, resolve);
      const message = JSON.stringify({ id, method, params });
      session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
    });
  const pause = (): Promise<readonly string[]> => {
    paused = deferred();
    void post("Debugger.pause");
    return paused.promise;
  };
  const resume = (): Promise<void> => {
    resumed = deferred();
    void post("Debugger.resume");
    return resumed.promise;
  };
  return { post, pause, resume };
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

  get passed(): boolean {
    return performance.now() >= this.#at;
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
