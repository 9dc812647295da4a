// Property gets by blocking.
import { syncRate } from "./measure.mjs";

/** Gets of `thing.x` a second, each checked. */
export function getRate(thing) {
  return syncRate(
    () => {
      if (thing.x !== 1) throw new Error("wrong value");
    },
    { block: 100 },
  );
}
