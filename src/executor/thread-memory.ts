import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

/** V8 collects all garbage before the heap is so many times what was left of it the last time. */
const GARBAGE_FACTOR = 2;

const FRESH_MS = 20;

/**
 * Tells what a thread holds, buffers included: what was left by the last collection of all garbage. It
 * doesn't ask V8 for one: that would take half a second, and a thread that did it through the inspector
 * could not be ended any more.
 */
export class MemoryMeter {
  readonly #limitMb: number;
  readonly #show: (heldMb: number) => void;

  constructor(limitMb: number, show: (heldMb: number) => void) {
    this.#limitMb = limitMb;
    this.#show = show;
    const observer = new PerformanceObserver((list) => {
      if (list.getEntries().some(hasJustCollected)) this.#show(heldMb());
    });
    observer.observe({ entryTypes: ["gc"] });
  }

  /** Call it often, it costs a microsecond: so much can't be garbage. */
  look(): void {
    const held = heldMb();
    if (held > GARBAGE_FACTOR * this.#limitMb) this.#show(held);
  }
}

/** An entry about a collection; Node's types leave out `detail`. */
interface Collection {
  readonly startTime: number;
  readonly duration: number;
  readonly detail: { readonly kind?: number };
}

/** Code that went on since has made garbage anew. */
function hasJustCollected(entry: object): boolean {
  const { startTime, duration, detail } = entry as Collection;
  const agoMs = performance.now() - startTime - duration;
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR && agoMs < FRESH_MS;
}

function heldMb(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return Math.round((heap + external) / 2 ** 20);
}
