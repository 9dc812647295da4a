import { Path } from "../wire/path.ts";

/** Our clients send paths; whoever else speaks the protocol may send anything. @throws TypeError */
export function checkPath(path: unknown): Path {
  if (path instanceof Path) return path;
  throw new TypeError("the path must be a Path");
}

/** @throws TypeError */
export function checkBytes(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  throw new TypeError("the message must be bytes");
}
