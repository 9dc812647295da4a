import { describe, expect, it } from "vitest";

import { Listing } from "../../src/base/listing.ts";
import {
  type DirectReads,
  type EngineChild,
  type EntryInPlace,
  NOT_NOW,
} from "../../src/engine/engine.ts";
import { listChildren } from "../../src/tree/list.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { encodeValue } from "../../src/wire/value.ts";

const TOP = Path.fromElements(["top"]);

/** Children 0 to 9, in pages of two: read in place as long as `near` says so, and else over the wire. */
class Mixed {
  readonly ways: string[] = [];
  readonly #near: () => boolean;

  constructor(near: () => boolean) {
    this.#near = near;
  }

  list = (): never => {
    throw new Error("nobody lists");
  };

  get direct(): DirectReads | undefined {
    return this.#near() ? (this as unknown as DirectReads) : undefined;
  }

  /** Both ways have the same name. */
  children = ((path: Path, asked: unknown, read?: ReadChild): unknown =>
    read === undefined
      ? this.#far((asked as { after?: number }).after)
      : this.#page(asked as number | undefined, read)) as never;

  #page(after: number | undefined, read: ReadChild): unknown {
    const first = (after ?? -1) + 1;
    if (first === 4) return NOT_NOW;
    this.ways.push(`near ${first}`);
    const items = [first, first + 1].map((i) => read(i, inPlace(i)));
    return { items, after: first + 1 < 9 ? first + 1 : undefined };
  }

  #far(after: number | undefined): Listing<EngineChild> {
    const { ways } = this;
    return new Listing(async function* () {
      for (let first = (after ?? -1) + 1; first < 10; first += 2) {
        ways.push(`far ${first}`);
        yield [first, first + 1].map((name) => ({ name, entry: stored(name) }));
      }
    });
  }
}

type ReadChild = (name: PathElement, entry: EntryInPlace) => unknown;

function stored(i: number): NonNullable<EngineChild["entry"]> {
  return { path: TOP.append(i), value: encodeValue(i), revision: 1, author: "", time: 0 };
}

function inPlace(i: number): EntryInPlace {
  const { value, ...entry } = stored(i);
  const bytes = new Uint8Array([1, 2, ...value, 9]);
  return { ...entry, bytes, start: 2, end: 2 + value.length };
}

async function values(mixed: Mixed): Promise<unknown[]> {
  return listChildren(mixed, TOP, {})
    .map(({ name, path, entry }) => {
      expect(path).toEqual(TOP.append(name));
      return entry?.value;
    })
    .toArray();
}

const ALL = Array.from({ length: 10 }, (_, i) => i);

describe("listChildren()", () => {
  it("goes on the other way where reading in place can't be done for a moment", async () => {
    const mixed = new Mixed(() => true);
    expect(await values(mixed)).toEqual(ALL);
    expect(mixed.ways).toEqual(["near 0", "near 2", "far 4", "near 6", "near 8"]);
  });

  it("reads in place from the moment in which that is possible", async () => {
    let pages = 0;
    const mixed = new Mixed(() => ++pages > 2);
    expect(await values(mixed)).toEqual(ALL);
    expect(mixed.ways).toEqual(["far 0", "far 2", "far 4", "near 6", "near 8"]);
  });

  it("asks where nothing can be read in place", async () => {
    const mixed = new Mixed(() => false);
    expect(await values(mixed)).toEqual(ALL);
    expect(mixed.ways).toHaveLength(5);
  });
});
