import { BanyanError } from "../base/errors.ts";

/** Each round of a contest has a winner, so this many mean that something else is wrong. */
const MAX_ROUNDS = 1_000;

/**
 * Reads, decides and writes by compare-and-set, anew for as long as others are faster. `mayGoOn`
 * says after a conflict whether it was such a contest; where it was not, the conflict is thrown.
 */
export async function contend<T>(
  round: () => Promise<T>,
  mayGoOn: () => boolean = () => true,
): Promise<T> {
  for (let rounds = 1; ; rounds++) {
    try {
      return await round();
    } catch (error) {
      const lost = BanyanError.has(error, "ENGINE_CONFLICT") && mayGoOn();
      if (!lost || rounds === MAX_ROUNDS) throw error;
    }
  }
}
