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

  it("lets everything be tried on what is not known", () => {
    expectTypeOf(async () => {
      expectTypeOf(await session.remote("any")).toEqualTypeOf<unknown>();
      await session.remote("any")["whatever"]?.(1, "two");
    }).toBeFunction();
  });
});
