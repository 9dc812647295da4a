import type { Caller } from "./call.ts";
import { Decoder } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { Imported, type ImportSource } from "./imports.ts";
import type { PeerOptions } from "./peer-options.ts";
import type { Serving } from "./serving.ts";
import { createStub } from "./stub.ts";
import type { Tables } from "./tables.ts";
import type { ValueClasses } from "./value-classes.ts";

/** What the two halves of a session's codec share. */
export interface CodecParts {
  readonly caller: Caller;
  readonly tables: Tables;
  readonly values: ValueClasses;
  readonly options: PeerOptions;
}

export function createEncoder({ caller, tables, values, options }: CodecParts): Encoder {
  const { exports, errors, promises, signals, symbols } = tables;
  const { plain = "reference", policy = "capability", describes, tells, flavour } = options;
  return new Encoder({
    caller,
    plain,
    exports,
    errors,
    symbols,
    values,
    policy,
    describes: describes === true ? policy : undefined,
    tells: tells === true ? policy : undefined,
    usesProxies: flavour !== undefined,
    sendPromise: (promise) => promises.send(promise),
    cancelPromise: (id) => promises.cancel(id),
    sendSignal: (signal) => signals.send(signal),
  });
}

export function createDecoder(
  { caller, tables, values, options }: CodecParts,
  serving: Serving,
): Decoder {
  const { exports, imports, errors, promises, signals, symbols } = tables;
  const { flavour, tells, policy = "capability" } = options;
  const source: ImportSource = {
    createImported: (id, shape) => new Imported(caller, id, shape),
    createStub: flavour === undefined ? createStub : (imported) => flavour.createStub(imported),
  };
  return new Decoder({
    ...source,
    exports,
    imports,
    errors,
    symbols,
    values,
    policy,
    types: flavour?.createTypes(imports, source),
    tells: tells === true,
    receivePromise: (id) => promises.receive(id),
    receiveSignal: (id) => signals.receive(id),
    evaluate: (target, path) => serving.evaluate(target, path),
  });
}
