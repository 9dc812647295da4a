import { KEEP, Operation, QUIET } from "../remote/protocol.ts";
import { Reflection } from "../remote/reflect.ts";
import { writeValue } from "../wire/value.ts";
import { violations } from "./fuzz-violations.ts";
import {
  ask,
  expression,
  head,
  message,
  one,
  type Operand,
  type Probe,
  type Write,
} from "./probe.ts";

const DENIED = /REMOTE_DENIED/;
const MISSING = /REMOTE_NOT_FOUND/;
const LIMIT = /REMOTE_LIMIT/;

/** Everything that a peer must be refused, or lose its session by. */
export function fuzzProbes(): Probe[] {
  return [...policyProbes(), ...reflectProbes(), ...workProbes(), ...violations()];
}

const ref =
  (path: string): Write =>
  (writer) =>
    expression(writer, path);

/** One probe for each of these paths. */
function each(
  name: string,
  paths: string,
  ask_: (path: string) => Uint8Array,
  expects: RegExp | "end" = DENIED,
): Probe[] {
  return paths
    .split(" ")
    .map((path) => ({ name: `${name} ${path}`, expects, messages: [ask_(path)] }));
}

const get = (path: string): Uint8Array => ask({ kind: Operation.get, path });
const set =
  (value: Operand) =>
  (path: string): Uint8Array =>
    ask({ kind: Operation.set, path }, value);
const whole =
  (kind: number) =>
  (path: string): Uint8Array =>
    ask({ kind, path });

function reflect(path: string, ...operands: Operand[]): Uint8Array {
  // The path of a reflection is a key: what it is asked of is a result before it.
  return message((writer) => {
    // Nobody is told what became of that.
    head(writer, { kind: Operation.get | KEEP | QUIET, path });
    head(writer, { kind: Operation.reflect, target: 3, count: operands.length });
    for (const operand of operands) {
      if (typeof operand === "function") operand(writer);
      else writeValue(writer, operand);
    }
  });
}

function policyProbes(): Probe[] {
  return [
    ...each(
      "reading",
      "counter.secret counter.vault data.__proto__ data.constructor echo.constructor echo.prototype " +
        "Counter.prototype echo.caller echo.arguments echo.callee data.toString data.valueOf echo.call echo.apply " +
        "echo.bind data.hasOwnProperty data.__defineGetter__ data.list.constructor map.constructor " +
        "text.value.repeat text.value.length.toFixed text.expression.test compiler compiler.call shelf.secret shelf.hide " +
        "shelf.size box.secret box.constructor counter.twin.constructor",
      get,
    ),
    ...each(
      "calling",
      "echo.call make.apply data.__defineGetter__ data.hasOwnProperty compiler give " +
        "text.value.repeat text.expression.compile shelf.hide shelf.entries reflector.get reflector.ownKeys " +
        "objects.assign objects.getPrototypeOf counter.secret box.hide",
      whole(Operation.call),
    ),
    ...each("constructing", "compiler", whole(Operation.construct)),
    ...each("copying", "counter shelf box", whole(Operation.snapshot)),
    ...each("iterating over", "shelf box", whole(Operation.iterate)),
    ...each("listing the pairs of", "shelf", whole(Operation.entries)),
    ...each(
      "testing for",
      "data.__proto__ data.constructor echo.prototype box.secret",
      whole(Operation.has),
    ),
    ...each(
      "deleting",
      "counter.secret counter.add echo.name Counter.made shelf.title box.width data.__proto__ " +
        "data.toString counter.count map.size",
      whole(Operation.delete),
    ),
    ...each(
      "setting",
      "data.__proto__ data.__proto__.polluted data.hasOwnProperty data.toString data.constructor " +
        "counter.secret counter.add counter.fresh counter.twin echo.extra Counter.made map.extra shelf.id shelf.secret " +
        "shelf.get shelf.hide box.open box.secret text.value.x data.list.5 data.list.length data.list.4294967294 " +
        "data.list.toString numbers.x",
      set(4_000_000_000),
    ),
    ...each("finding", "toString __proto__ nothing constructor", get, MISSING),
    one("a class elsewhere", DENIED, ask({ kind: Operation.instanceOf, path: "data" }, 7)),
    one(
      "running source",
      DENIED,
      ask({ kind: Operation.evaluate }, "globalThis.polluted = 1", ref("data")),
    ),
    one("guessing an export", MISSING, ask({ kind: Operation.get, target: 2 * 77 })),
    one("guessing a result", MISSING, ask({ kind: Operation.get, target: 2 * 5 + 1 })),
    ...each("calling a result:", "compiler reflector.get", (path) =>
      message((writer) => {
        head(writer, { kind: Operation.get | KEEP | QUIET, path });
        head(writer, { target: 3, count: 0 });
      }),
    ),
    one("passing a compiler", DENIED, ask({ path: "call" }, ref("compiler"))),
  ];
}

function reflectProbes(): Probe[] {
  const other = ref("counter");
  return [
    ...each("reflecting: the prototype of", "data data.list map echo numbers", (path) =>
      reflect(path, Reflection.prototype),
    ),
    one(
      "reflecting: a constructor's constructor",
      DENIED,
      reflect("echo", Reflection.get, "constructor"),
    ),
    one("reflecting: reading a field", DENIED, reflect("counter", Reflection.get, "secret")),
    one("reflecting: a getter for another", DENIED, reflect("map", Reflection.get, "size", other)),
    one(
      "reflecting: an own getter for another",
      DENIED,
      reflect("shelf", Reflection.get, "id", other),
    ),
    one(
      "reflecting: describing a field",
      DENIED,
      reflect("counter", Reflection.descriptor, "secret"),
    ),
    one("reflecting: setting a field", DENIED, reflect("counter", Reflection.set, "secret", 1)),
    one("reflecting: deleting a field", DENIED, reflect("counter", Reflection.delete, "secret")),
    one("reflecting: testing for a member", DENIED, reflect("box", Reflection.has, "secret")),
    one("reflecting: calling a hidden member", DENIED, reflect("shelf", Reflection.invoke, "hide")),
    one(
      "reflecting: calling a compiler",
      DENIED,
      reflect("data", Reflection.invoke, "constructor", "1"),
    ),
    one("reflecting: calling a compiler itself", DENIED, reflect("compiler", Reflection.apply)),
    one("reflecting: constructing by one", DENIED, reflect("compiler", Reflection.construct)),
    one(
      "reflecting: calling what reflects",
      DENIED,
      reflect("reflector", Reflection.invoke, "get", other, "secret"),
    ),
    one("reflecting: calling on something else", DENIED, reflect("echo", Reflection.apply, other)),
    one(
      "reflecting: another's new.target",
      DENIED,
      reflect("Counter", Reflection.construct, ref("echo")),
    ),
    one(
      "reflecting: a new.target that compiles",
      DENIED,
      reflect("Counter", Reflection.construct, ref("compiler")),
    ),
    one(
      "reflecting: defining on an instance",
      DENIED,
      reflect("counter", Reflection.define, "x", "value", 1),
    ),
    one(
      "reflecting: defining a length",
      DENIED,
      reflect("data.list", Reflection.define, "length", "value", 2 ** 32 - 1),
    ),
    one(
      "reflecting: defining on a prototype",
      DENIED,
      reflect("data", Reflection.define, "__proto__", "value", 1),
    ),
    one(
      "reflecting: setting a length",
      DENIED,
      reflect("data.list", Reflection.set, "length", 2 ** 32 - 1),
    ),
    one("reflecting: changing a prototype", DENIED, reflect("data", Reflection.setPrototype, null)),
    one("reflecting: preventing extensions", DENIED, reflect("data", Reflection.preventExtensions)),
    one("reflecting: nothing there is", /TypeError/, reflect("data", 99)),
    one("reflecting: no key", /TypeError/, reflect("data", Reflection.get, 5)),
    one("reflecting on a primitive", /TypeError/, reflect("text.value", Reflection.keys)),
    one("reflecting: next of what is hidden", DENIED, reflect("box", Reflection.next, 5)),
  ];
}

function workProbes(): Probe[] {
  const many = Array.from({ length: 60 }, () => ref("deep"));
  const twice = (name: string, count: number, kind: number, path: string): Probe =>
    one(
      name,
      LIMIT,
      message((writer) => {
        for (let i = 0; i < count; i++) head(writer, { kind, path });
      }),
    );
  return [
    one("flattening without end", LIMIT, ask({ path: "deep.flat" }, 99)),
    ...each(
      "printing without end",
      "deep.join deep.toString deep.toLocaleString deep.sort",
      whole(Operation.call),
      LIMIT,
    ),
    one("joining what is there many times", /"?answer"?|./s, ask({ path: "deep.concat" }, ...many)),
    one("a native callback", DENIED, ask({ path: "deep.map" }, ref("data.list.push"))),
    one(
      "a callback on something else",
      DENIED,
      ask({ path: "deep.map" }, ref("echo"), ref("counter")),
    ),
    one("flatMap by a function there", DENIED, ask({ path: "deep.flatMap" }, ref("echo"))),
    one(
      "a method of arrays on what is none",
      DENIED,
      message((writer) => {
        head(writer, { kind: Operation.set, path: "data.fill" });
        expression(writer, "data.list.fill");
        head(writer, { kind: Operation.set, path: "data.length" });
        writeValue(writer, 2 ** 53 - 1);
        head(writer, { path: "data.fill", count: 1 });
        writer.u8(0);
      }),
    ),
    twice("more references than may be held", 20, Operation.call, "make"),
    twice("more results than may be kept", 20, Operation.get | KEEP, "data.a"),
    twice("more calls than may be served", 40, Operation.call, "never"),
  ];
}
