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

  it("lets everything be tried on what is not known", () => {
    expectTypeOf(async () => {
      expectTypeOf(await session.remote("any")).toEqualTypeOf<unknown>();
      await session.remote("any")["whatever"]?.(1, "two");
    }).toBeFunction();
  });
});
