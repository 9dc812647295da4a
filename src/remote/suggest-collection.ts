const SUGGESTED_BYTES = 64 * 1024 * 1024;

/**
 * Makes it likely that the garbage collector looks for what is unreachable, soon. It goes by the
 * memory of this process, and knows nothing of what a small object here keeps alive elsewhere. Memory
 * that is outside of its heap counts too, though; none of this is ever written to, so none is taken.
 */
export function suggestCollection(): void {
  try {
    void new ArrayBuffer(SUGGESTED_BYTES);
  } catch {
    // No address space for it: then memory is short, and the collector at work.
  }
}
