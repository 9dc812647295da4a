import { describe, expect, it } from "vitest";

import { Operation } from "../../../src/remote/protocol.ts";
import { Reflection } from "../../../src/remote/reflect.ts";
import { MAX_TYPES, TypeForm } from "../../../src/remote/described.ts";
import {
  answer,
  list,
  plain,
  rawPeer,
  reference,
  theirs,
  thing,
  type,
  type Answering,
  type Write,
} from "./raw-peer.ts";

class Local {
  readonly x = 1;
}

/** `thing` is #1; what is asked of its prototype is answered by `ofPrototype`, anything else by 0. */
function answering(ofPrototype: Answering): Answering {
  return (request, peer) => {
    if (request.operation === Operation.get) peer.send(answer(request.id, thing(1)));
    else if (request.reflection === Reflection.prototype) ofPrototype(request, peer);
    else peer.send(answer(request.id, plain(0)));
  };
}

describe("a proxy whose side lies about prototypes (Z12)", () => {
  it("is of no class that is nowhere among prototypes without end, after a bounded number of questions", async () => {
    let last = 1;
    await using peer = rawPeer(
      answering(({ id }, { send }) => {
        send(answer(id, thing(++last)));
      }),
    );
    const remote = peer.near.remote<object>("thing");
    expect(() => remote instanceof Local).toThrow(TypeError);
    expect(peer.asked.length).toBeLessThan(1_000);
    expect(() => remote instanceof Local).toThrow(TypeError);
  });

  it("inherits from nothing that inherits from it", async () => {
    await using peer = rawPeer(
      answering(({ id }, { send }) => {
        send(answer(id, thing(id % 2 === 0 ? 2 : 1)));
      }),
    );
    const remote = peer.near.remote<object>("thing");
    expect(() => remote instanceof Local).toThrow(TypeError);
    // Later references walk what is known by now.
    expect(peer.near.remote<object>("thing")).toBe(remote);
    expect(peer.asked.length).toBeLessThan(1_000);
  });

  it("loses the session where references tell of a thing that inherits from itself", async () => {
    await using peer = rawPeer(({ id }, { send }) => {
      const first = thing(2, type.value(reference(1)));
      send(answer(id, list(first, thing(1, type.value(reference(2))))));
    });
    expect(() => peer.near.remote("thing")).toThrow(
      expect.objectContaining({ code: "REMOTE_BROKEN" }),
    );
    expect(await peer.near.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it.each<[string, unknown]>([
    ["a number", 5],
    ["a text", "x"],
    ["nothing", undefined],
  ])("has no prototype that is %s", async (_, value) => {
    await using peer = rawPeer(
      answering(({ id }, { send }) => {
        send(answer(id, plain(value)));
      }),
    );
    const remote = peer.near.remote<object>("thing");
    expect(() => Object.getPrototypeOf(remote)).toThrow(TypeError);
    expect(peer.near.remote<object>("thing")).toBe(remote);
  });

  it("finds no member by a chain through objects of this side that leads back to it", async () => {
    const own = {};
    await using peer = rawPeer((request, { send }) => {
      if (request.operation === Operation.get) send(answer(request.id, thing(1)));
      else if (request.reflection === Reflection.prototype)
        send(answer(request.id, theirs.home(1)));
      else
        send(answer(request.id, plain(request.reflection === Reflection.set ? true : undefined)));
    });
    const remote = peer.near.remote<Record<string, unknown>>("thing");
    remote["keep"] = own;
    Object.setPrototypeOf(own, remote);
    expect(Object.getPrototypeOf(remote)).toBe(own);
    expect(remote["x"]).toBe(undefined);
    expect(() => remote instanceof Local).toThrow(RangeError);
    const heir = Object.create(remote) as Record<string, unknown>;
    expect(() => (heir["x"] = 1)).toThrow("inherits from more than 256");
    expect(peer.asked.length).toBeLessThan(2_000);
    Object.setPrototypeOf(own, null);
  });
});

/** A new type with so many methods. */
function described(methods: number, name = "Told"): Write {
  return (writer) => {
    writer.varint(TypeForm.described);
    thing(2, type.intrinsic("Object.prototype"))(writer);
    writer.string(name);
    writer.varint(methods);
    for (let i = 0; i < methods; i++) {
      plain(`m${i}`)(writer);
      theirs.intrinsic("Math.max")(writer);
    }
  };
}

describe("a type that a raw peer tells", () => {
  it("has 256 methods at most, and as long a name", async () => {
    await using peer = rawPeer(({ id }, { send }) => {
      send(answer(id, thing(1, described(256, "x".repeat(256)))));
    });
    expect(peer.near.remote<{ m0: unknown }>("thing").m0).toBe(Math.max);
  });

  it.each<[string, Write]>([
    ["of 257 methods", described(257)],
    ["with a name of 257 characters", described(0, "x".repeat(257))],
    ["that was not told", type.known(0)],
    [
      "with a method that is none",
      (writer) => {
        writer.varint(TypeForm.described);
        thing(2)(writer);
        writer.string("Told");
        writer.varint(1);
        plain("m")(writer);
        plain("m")(writer);
      },
    ],
    [
      "with a method of no name",
      (writer) => {
        writer.varint(TypeForm.described);
        thing(2)(writer);
        writer.string("Told");
        writer.varint(1);
        plain(5)(writer);
        theirs.intrinsic("Math.max")(writer);
      },
    ],
    ["whose prototype is a number", type.value(plain(5))],
    ["that this engine lacks", type.intrinsic("Nothing.prototype")],
    [
      "within itself without end",
      (writer) => {
        for (let i = 0; i < 5_000; i++) {
          writer.varint(TypeForm.described);
          writer.u8(2);
          writer.u8(0);
        }
      },
    ],
  ])("ends the session: one %s", async (_, told) => {
    await using peer = rawPeer(({ id }, { send }) => {
      send(answer(id, thing(1, told)));
    });
    expect(() => peer.near.remote("thing")).toThrow(
      expect.objectContaining({ code: "REMOTE_BROKEN" }),
    );
    expect(await peer.near.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("counts as eight items of a message, as every reference does", async () => {
    for (const [count, code] of [
      [120, undefined],
      [130, "REMOTE_BROKEN"],
    ] as const) {
      await using peer = rawPeer(
        ({ id }, { send }) => {
          send(answer(id, list(...Array.from({ length: count }, (_, i) => thing(i + 1)))));
        },
        { limits: { maxItems: 1_000 } },
      );
      let error: { readonly code?: string } = {};
      try {
        peer.near.remote("thing");
      } catch (thrown) {
        error = thrown as { readonly code: string };
      }
      expect(error.code).toBe(code);
    }
  });

  it("ends the session where it is one too many", async () => {
    let told = 0;
    await using peer = rawPeer(({ id }, { send }) => {
      const row = Array.from({ length: 64 }, () => thing(1, described(0)));
      told += row.length;
      send(answer(id, list(...row)));
    });
    const ask = (): unknown => peer.near.remote("thing");
    for (let i = 0; i < MAX_TYPES / 64; i++) ask();
    expect(told).toBe(MAX_TYPES);
    expect(ask).toThrow(expect.objectContaining({ code: "REMOTE_BROKEN" }));
  });
});
