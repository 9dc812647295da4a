import type { Mirror } from "../tree/mirror.ts";

/** Resolves with the error of the first mirror that did not end in order; maybe never. */
export function firstFailure(mirrors: Iterable<Mirror>): Promise<unknown> {
  return new Promise((resolve) => {
    const follow = async ({ closed }: Mirror): Promise<void> => {
      const error = await closed;
      if (error !== undefined) resolve(error);
    };
    for (const mirror of mirrors) void follow(mirror);
  });
}
