import { describe, expect, it } from "vitest";

import { syncPair } from "./pair.ts";

class Animal {
  name: string;
  #secret = 7;
  constructor(name: string) {
    this.name = name;
  }
  speak(): string {
    return `${this.name}!`;
  }
  secret(): number {
    return this.#secret;
  }
  get upper(): string {
    return this.name.toUpperCase();
  }
}
class Dog extends Animal {}

describe("a proxy", () => {
  it("is used like the object", async () => {
    const counter = { value: 1, add: (n: number) => n + 1 };
    await using pair = syncPair({ exports: { counter, Dog, Animal, rex: new Dog("Rex") } });
    const remote = pair.near.remote<typeof counter>("counter");
    expect(remote.value + 1).toBe(2);
    expect(remote.add(4)).toBe(5);
    remote.value = 5;
    expect(counter.value).toBe(5);
    const rex = pair.near.remote<Dog>("rex");
    const RemoteDog = pair.near.remote<typeof Dog>("Dog");
    expect(rex.speak()).toBe("Rex!");
    expect(rex.secret()).toBe(7);
    expect(rex.upper).toBe("REX");
    expect(rex instanceof RemoteDog).toBe(true);
    expect(rex instanceof pair.near.remote<typeof Animal>("Animal")).toBe(true);
    expect(new RemoteDog("Bo").name).toBe("Bo");
    expect({ ...rex }).toEqual({ name: "Rex" });
  });
});
