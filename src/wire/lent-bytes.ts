/** What is kept, per thread, of memory that came back; the oldest is left to the garbage collector. */
const MAX_SPARE_BYTES = 8 * 1024 * 1024;

/** By the very array that was handed out: another view of its memory is somebody else's to read. */
const lent = new WeakSet<Uint8Array>();
const spare: ArrayBuffer[] = [];
let spareBytes = 0;

/**
 * A copy of `bytes`, for whoever sends it once and then forgets it. Memory of this size comes anew from the
 * system each time, which costs as much as the copy itself; so what is given back is used again.
 */
export function lendCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = inSpare(bytes) ?? new Uint8Array(bytes);
  lent.add(copy);
  return copy;
}

/** Whoever sent `bytes` is done with them, for good. What wasn't lent stays whose it is. */
export function giveBack(bytes: Uint8Array): void {
  if (!lent.delete(bytes)) return;
  const { buffer } = bytes as Uint8Array<ArrayBuffer>;
  spareBytes += buffer.byteLength;
  spare.push(buffer);
  while (spareBytes > MAX_SPARE_BYTES) spareBytes -= spare.shift()?.byteLength ?? 0;
}

/** The latest that fits, but not memory of twice the size: small arrays would use up what large ones need. */
function inSpare(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const size = bytes.length;
  const at = spare.findLastIndex(({ byteLength }) => byteLength >= size && byteLength < size * 2);
  const buffer = spare[at];
  if (buffer === undefined) return undefined;
  spare.splice(at, 1);
  spareBytes -= buffer.byteLength;
  const copy = new Uint8Array(buffer, 0, size);
  copy.set(bytes);
  return copy;
}
