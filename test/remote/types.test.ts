import { describe, expectTypeOf, it } from "vitest";

import type { Remote, RemoteResult, Session } from "../../src/remote.ts";

class Dog {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  speak(loud: boolean): string {
    return loud ? this.#name : "";
  }
  get age(): number {
    return 1;
  }
}

interface Api {
  add(a: number, b: number): number;
  each(callback: (item: string, index: number) => boolean): Promise<void>;
  watch(options: { onEvent: (event: { n: number }) => void; signal?: AbortSignal }): void;
  dog(name: string): Promise<Dog>;
  walk(dog: Dog): boolean;
  rows(): { id: number; tags: string[] }[];
  numbers(): AsyncGenerator<number>;
  bytes: Uint8Array;
  Dog: typeof Dog;
  anything: unknown;
}

declare const session: Session;
declare const api: Remote<Api>;
interface Shapes {
  find(id: number): string;
  find(name: string): number;
  find(name: string, exactly: boolean): boolean;
  either(value: string | number): string | number;
  same<T>(value: T): T;
  optional(value?: number): number | undefined;
  readonly wide: Readonly<Record<"a" | "b", readonly [number, string]>>;
}

interface Deep {
  readonly name: string;
  readonly next: Deep;
  readonly map: ReadonlyMap<string, Deep>;
  get(key: keyof Deep): Deep | undefined;
  set(given: Deep, callback: (inner: Deep) => Deep): Promise<Deep[]>;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

declare const shapes: Remote<Shapes>;
declare const deep: Remote<Deep>;
declare const json: Remote<{ get(): Json; put(value: Json): void }>;
declare const copying: Remote<Api, "copy">;

interface Listening {
  on(name: "change", callback: (event: { readonly key: string }) => void): Disposable;
  all(callbacks: {
    change: ((event: { key: string }) => void)[];
    optional?: (n: number) => number;
  }): void;
  maybe(callback: ((text: string) => number) | undefined): void;
}

declare class Box<T> {
  readonly size: number;
  constructor(value: T);
  static of<T>(value: T): Box<T>;
}

interface Shaped {
  pair(): readonly [string, number];
  spread(a: string, b: number, ...rest: boolean[]): void;
  readonly fixed: number;
  [Symbol.toStringTag]: string;
  Box: typeof Box;
  nested(): Promise<Promise<number>>;
  optional?: () => string;
  get<Key extends "n" | "s">(key: Key): { n: number; s: string }[Key];
}

interface Tree {
  readonly value: number;
  readonly parent: Tree;
  readonly root: Tree;
  readonly children: Tree[];
  readonly index: Map<string, Tree>;
  visit(visitor: (node: Tree, path: Tree[]) => number): Tree;
  both(left: Tree, right: { deep: { deeper: Tree[] } }): Promise<[Tree, Tree]>;
  stream(): AsyncGenerator<Tree>;
  on(name: string, listener: (tree: Tree, next: (tree: Tree) => void) => void): Tree;
}

declare const listening: Remote<Listening>;
declare const shaped: Remote<Shaped>;
declare const copied: Remote<Shaped, "copy">;
declare const tree: Remote<Tree>;

describe("Remote<T>", () => {
  it("has methods that return promises of what arrives", () => {
    expectTypeOf(() => {
      expectTypeOf(api.add(1, 2)).resolves.toEqualTypeOf<number>();
      expectTypeOf(api.dog("Rex")).toEqualTypeOf<RemoteResult<Promise<Dog>>>();
      expectTypeOf(api.dog("Rex").speak(true)).resolves.toEqualTypeOf<string>();
      expectTypeOf<Awaited<typeof api.bytes>>().toEqualTypeOf<Uint8Array>();
      expectTypeOf<Awaited<ReturnType<Remote<Dog>["speak"]>>>().toEqualTypeOf<string>();
      expectTypeOf(new api.Dog("Rex").speak(true)).resolves.toEqualTypeOf<string>();
      // @ts-expect-error a string is no number
      void api.add("1", 2);
      // @ts-expect-error there is no such method
      void api.subtract(1, 2);
    }).toBeFunction();
  });

  it("infers callbacks, and takes stubs and results for arguments", () => {
    expectTypeOf(async () => {
      await api.each((item, index) => {
        expectTypeOf(item).toEqualTypeOf<string>();
        expectTypeOf(index).toEqualTypeOf<number>();
        return true;
      });
      await api.watch({
        onEvent: (event) => {
          expectTypeOf(event.n).toEqualTypeOf<number>();
        },
      });
      await api.walk(api.dog("Rex"));
      await api.walk(await api.dog("Rex"));
      await api.add(api.add(1, 2), api.dog("Rex").age);
    }).toBeFunction();
  });

  it("gives plain data where the peer copies it, and stubs of it where not", () => {
    expectTypeOf(async () => {
      expectTypeOf(await copying.rows()).toEqualTypeOf<{ id: number; tags: string[] }[]>();
      const rows = await api.rows();
      expectTypeOf(rows[0]!.id).resolves.toEqualTypeOf<number>();
      for await (const number of api.numbers()) expectTypeOf(number).toEqualTypeOf<number>();
    }).toBeFunction();
  });

  it("O03 keeps overloads, unions, tuples and optional parameters; type parameters become unknown", () => {
    expectTypeOf(() => {
      expectTypeOf(shapes.find(1)).resolves.toEqualTypeOf<string>();
      expectTypeOf(shapes.find("a")).resolves.toEqualTypeOf<number>();
      expectTypeOf(shapes.find("a", true)).resolves.toEqualTypeOf<boolean>();
      expectTypeOf(shapes.either(1)).resolves.toEqualTypeOf<string | number>();
      expectTypeOf(shapes.either("x")).resolves.toEqualTypeOf<string | number>();
      expectTypeOf(shapes.same(1)).resolves.toEqualTypeOf<unknown>();
      expectTypeOf(shapes.optional()).resolves.toEqualTypeOf<number | undefined>();
      expectTypeOf(shapes.wide.a.then).toBeFunction();
      // @ts-expect-error a boolean is neither
      void shapes.find(true);
    }).toBeFunction();
  });

  it("O03 follows recursive types as deep as they are used", () => {
    expectTypeOf(() => {
      expectTypeOf(deep.next.next.next.next.next.name).resolves.toEqualTypeOf<string>();
      expectTypeOf(deep.set(deep.next, (inner) => inner.next).at(0)).toExtend<Promise<unknown>>();
      void json.put({ a: [1, { b: null }] });
    }).toBeFunction();
  });

  it("O03 lets everything be tried where no type is given, or any, under the strictest settings", () => {
    expectTypeOf(async () => {
      await session.remote("any").whatever(1, "two").more.items[0].name;
      const untyped = session.remote<unknown>("any");
      for await (const item of untyped.list) await item.use(untyped.other);
      const any = session.remote<any>("any"); // oxlint-disable-line typescript/no-explicit-any
      await new any.Class({ a: 1 }).method?.();
      const partly: Remote<{ inner: unknown; n: number }> = session.remote("part");
      expectTypeOf(await partly.inner).toEqualTypeOf<unknown>();
      await partly.inner["whatever"]?.(1);
      expectTypeOf(await partly.n).toEqualTypeOf<number>();
      await api.add(session.remote("any").n, 1);
    }).toBeFunction();
  });

  it("O03 takes callbacks whose parameters are inferred, in structures and unions as well", () => {
    expectTypeOf(async () => {
      await listening.on("change", (event) => {
        expectTypeOf(event).toEqualTypeOf<{ readonly key: string }>();
      });
      await listening.all({ change: [(event) => void event.key], optional: (n) => n + 1 });
      await listening.maybe(undefined);
      await listening.maybe((text) => text.length);
      // @ts-expect-error a callback of other parameters
      await listening.maybe((flag: boolean) => Number(flag));
    }).toBeFunction();
  });

  it("O03 keeps tuples and what is readonly, and leaves symbol keys out", () => {
    expectTypeOf(async () => {
      expectTypeOf((await shaped.pair())[0]).resolves.toEqualTypeOf<string>();
      expectTypeOf((await copied.pair())[1]).toEqualTypeOf<number>();
      expectTypeOf(await copied.pair()).toEqualTypeOf<readonly [string, number]>();
      await shaped.spread("a", 1, true, false);
      // @ts-expect-error the rest are booleans
      await shaped.spread("a", 1, 2);
      // @ts-expect-error nothing can be assigned to what is elsewhere
      shaped.fixed = 5;
      // @ts-expect-error symbols don't cross as keys
      void shaped[Symbol.for("x")];
    }).toBeFunction();
  });

  it("O03 gives generics what they are given, classes their instances, and promises one level", () => {
    expectTypeOf(async () => {
      const box = new shaped.Box(5);
      expectTypeOf(await box.size).toEqualTypeOf<number>();
      expectTypeOf(await shaped.Box.of("x").size).toEqualTypeOf<number>();
      expectTypeOf(await shaped.nested()).toEqualTypeOf<number>();
      expectTypeOf(await shaped.optional?.()).toEqualTypeOf<string | undefined>();
      expectTypeOf(shaped.get("n")).resolves.toEqualTypeOf<number | string>();
    }).toBeFunction();
  });

  it("O03 follows types that hold themselves in ten ways, without giving up", () => {
    expectTypeOf(() => {
      expectTypeOf(tree.children.at(0)).toExtend<Promise<unknown>>();
      expectTypeOf(tree.parent.parent.parent.children.map).toBeFunction();
      expectTypeOf(tree.root.visit((node) => node.value).value).resolves.toEqualTypeOf<number>();
      expectTypeOf(tree.index.get("a")).toExtend<Promise<unknown>>();
    }).toBeFunction();
  });

  it("a promise of this side crosses as a promise: where its value is wanted, it does not do", () => {
    expectTypeOf(async () => {
      // @ts-expect-error it would arrive as a promise
      await api.add(Promise.resolve(1), 2);
      await api.add(api.add(1, 2), 2);
    }).toBeFunction();
  });
});
