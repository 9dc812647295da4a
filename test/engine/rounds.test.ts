import { describe, expect, it } from "vitest";

import { type Deferred, deferred } from "../../src/base/deferred.ts";
import { Rounds } from "../../src/engine/rounds.ts";

class Fixture {
  readonly works: Deferred<void>[] = [];
  ended = 0;
  gathered: () => void = () => {};
  readonly rounds = new Rounds(
    (gathered) => {
      this.gathered = gathered;
      const work = deferred<void>();
      this.works.push(work);
      return work.promise;
    },
    () => void this.ended++,
  );
}

describe("Rounds", () => {
  it("does the work once for all who ask while it gathers, and once more for all who come later", async () => {
    const fixture = new Fixture();
    const { rounds, works } = fixture;
    const first = [rounds.ask(), rounds.ask()];
    expect(works).toHaveLength(1);
    fixture.gathered();
    const second = [rounds.ask(), rounds.ask()];
    expect(rounds.running).toBeDefined();
    works[0]?.resolve();
    await Promise.all(first);
    // The next begins where those behind it are told.
    await Promise.resolve();
    await Promise.resolve();
    expect(works).toHaveLength(2);
    expect(fixture.ended).toBe(1);
    works[1]?.resolve();
    await Promise.all(second);
    expect(works).toHaveLength(2);
    expect(rounds.running).toBeUndefined();
  });

  it("tells all of a round that its work failed", async () => {
    const { rounds, works } = new Fixture();
    const asked = [rounds.ask(), rounds.ask()];
    works[0]?.reject(new Error("broken"));
    for (const one of asked) await expect(one).rejects.toThrow("broken");
    const again = rounds.ask();
    works[1]?.resolve();
    await again;
  });
});
