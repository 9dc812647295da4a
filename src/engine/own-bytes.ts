/**
 * The same bytes in memory of their own, for who keeps them for long: what lies in a block with others keeps all of that, which
 * is more than it weighs.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
