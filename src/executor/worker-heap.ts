import type { Worker } from "node:worker_threads";

/** Since Node 22.16 a thread can be asked even while it computes. */
interface AskableWorker {
  getHeapStatistics?(): Promise<{
    readonly used_heap_size: number;
    readonly external_memory: number;
  }>;
}

/** A thread that is in a native call can't answer. */
const ASK_MS = 500;

/** What a thread holds, in MB; `undefined` where it can't be told. */
export async function heapOf(thread: Worker | undefined): Promise<number | undefined> {
  const asked = (thread as AskableWorker | undefined)?.getHeapStatistics?.();
  if (asked === undefined) return undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ASK_MS);
  });
  try {
    const heap = await Promise.race([asked, late]);
    return heap && Math.round((heap.used_heap_size + heap.external_memory) / 2 ** 20);
  } catch {
    // It has just ended.
    return 0;
  } finally {
    clearTimeout(timer);
  }
}
