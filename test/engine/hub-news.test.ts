import { expect, it } from "vitest";

import type { EngineEvent } from "../../src/engine/engine.ts";
import { NewsWay } from "../../src/engine/hub-news.ts";
import { Path } from "../../src/wire/path.ts";
import { Writer } from "../../src/wire/writer.ts";

function sink(): void {
  throw new Error("no call is needed for these");
}

it("NewsWay has the next batch wait by the bytes that were written, not by how many events or values there are", () => {
  const written: number[] = [];
  const calls = {
    ask: (write: (writer: Writer) => void): Promise<unknown> => {
      const writer = new Writer();
      write(writer);
      written.push(writer.length);
      return new Promise(() => {});
    },
    take: () => {},
  };
  const way = new NewsWay({ id: 1, sink, packed: true, calls, onFailure: () => {} });
  const path = Path.fromElements(["x".repeat(1_000)]);
  const entry = { path, revision: 1, author: "a".repeat(500), time: 1 };
  const events = Array.from({ length: 256 }, (): EngineEvent => ({ type: "delete", entry }));
  const rooms = [1, 2, 3].map(() => way.send({ events, cursor: { store: "s", revision: 1 } }));
  expect(written[0]).toBeGreaterThan(350_000);
  // A MiB may be unanswered.
  expect(rooms.map((room) => room === undefined)).toEqual([true, true, false]);
});
