import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { atEndOfTurn } from "../../src/base/end-of-turn.ts";
import { CommitTurns } from "../../src/engine/commit-turns.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const endOfTurn = (): Promise<void> => new Promise(atEndOfTurn);
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

class Fixture {
  readonly clock = new ManualClock();
  readonly flush = deferred<void>();
  commits = 0;
  flushing = false;
  readonly turns = new CommitTurns({
    commit: () => void this.commits++,
    flushing: () => (this.flushing ? this.flush.promise : undefined),
    clock: this.clock,
  });
}

describe("CommitTurns", () => {
  it("commits once for all that is asked for in a turn", async () => {
    const fixture = new Fixture();
    for (let i = 0; i < 3; i++) fixture.turns.ask(false);
    expect(fixture.commits).toBe(0);
    await turn();
    expect(fixture.commits).toBe(1);
  });

  it("commits at the end of what asks where there was nothing to commit, and gathers a turn's right behind", async () => {
    const fixture = new Fixture();
    fixture.turns.ask(false);
    await endOfTurn();
    expect(fixture.commits).toBe(1);
    fixture.turns.ask(false);
    await endOfTurn();
    expect(fixture.commits).toBe(1);
    await turn();
    expect(fixture.commits).toBe(2);
    fixture.clock.advance(1);
    fixture.turns.ask(false);
    fixture.turns.cancel();
    await endOfTurn();
    expect(fixture.commits).toBe(2);
    fixture.turns.ask(false);
    await endOfTurn();
    expect(fixture.commits).toBe(3);
  });

  it("commits what waits for the disk behind the flush that runs", async () => {
    const fixture = new Fixture();
    fixture.flushing = true;
    for (let i = 0; i < 3; i++) fixture.turns.ask(true);
    await turn();
    expect(fixture.commits).toBe(0);
    fixture.flush.resolve();
    await turn();
    await turn();
    expect(fixture.commits).toBe(1);
  });

  it("commits nothing while it is held, by several as by one, and all of it then", async () => {
    const fixture = new Fixture();
    const holds = [await fixture.turns.hold(), await fixture.turns.hold()];
    fixture.turns.ask(false);
    await turn();
    holds[0]?.[Symbol.dispose]();
    holds[0]?.[Symbol.dispose]();
    fixture.turns.ask(false);
    await turn();
    expect(fixture.commits).toBe(0);
    holds[1]?.[Symbol.dispose]();
    expect(fixture.commits).toBe(1);
    await turn();
    expect(fixture.commits).toBe(1);
    expect(fixture.clock.pending).toBe(0);
  });

  it("is held for a while only, also by those who come one after the other", async () => {
    const fixture = new Fixture();
    const first = await fixture.turns.hold();
    fixture.turns.ask(false);
    await turn();
    await fixture.clock.advanceAsync(200);
    let isHeld = false;
    const second = fixture.turns.hold().then((hold) => {
      isHeld = true;
      return hold;
    });
    await turn();
    expect([isHeld, fixture.commits]).toEqual([false, 0]);
    await fixture.clock.advanceAsync(100);
    expect(fixture.commits).toBe(1);
    const hold = await second;
    fixture.turns.ask(false);
    await turn();
    // The first is over long since.
    first[Symbol.dispose]();
    expect(fixture.commits).toBe(1);
    hold[Symbol.dispose]();
    expect(fixture.commits).toBe(2);
  });
});
