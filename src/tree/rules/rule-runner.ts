/**
 * The contract for what runs the user's code in rules: checks of types, and codecs. The engine that
 * applies the rules never runs any itself; somebody hands it one of these.
 *
 * Promised: every task is answered, and code that loops is stopped after about a second. Code that changes the
 * globals of its process may change the answers of other rules' code.
 */

/** What a type demands, beside what the types above it do. */
export interface TypeUnit {
  readonly kind: "type";
  /** Names this very version: what is known under it is not compiled again. */
  readonly id: string;
  readonly name: string;
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
  readonly code?: string | undefined;
}

export interface CodecUnit {
  readonly kind: "codec";
  readonly id: string;
  readonly name: string;
  readonly decode: string;
  readonly encode: string;
}

export type RuleUnit = TypeUnit | CodecUnit;

/** One thing to do. Values are bytes, as the engine has them. */
export type RuleTask =
  /** Whether the value fits all of the units. */
  | { readonly kind: "check"; readonly units: readonly TypeUnit[]; readonly value: Uint8Array }
  | {
      readonly kind: "decode";
      readonly units: readonly [CodecUnit];
      readonly value: Uint8Array;
      /** What is stored. */
      readonly previous?: Uint8Array | undefined;
    }
  | { readonly kind: "encode"; readonly units: readonly [CodecUnit]; readonly value: Uint8Array };

/** What came of it. */
export type RuleOutcome = RuleSuccess | RuleRefusal;

interface RuleSuccess {
  readonly ok: true;
  /** What the value was converted to; a check has none. */
  readonly value?: Uint8Array | undefined;
}

export interface RuleRefusal {
  readonly ok: false;
  /**
   * "refused": the code or the schema says no. Else the rule itself is not usable: it does not compile
   * or is wrong in itself, it did not end in time, or it took its process with it.
   */
  readonly why: "refused" | "broken" | "timeout" | "lost";
  /** The name of the unit that it is about. */
  readonly unit: string;
  readonly reason: string;
  /** Where in the value, as `a.0.b`. */
  readonly at?: string | undefined;
  /** The lines of the code around what does not compile. */
  readonly frame?: string | undefined;
}

export interface RuleRunner extends AsyncDisposable {
  /** Tasks are done in the order of the calls, as far as that can be seen. Never rejects. */
  run(task: RuleTask): Promise<RuleOutcome>;
  /** Answers what still waits with "lost". Idempotent. */
  close(): Promise<void>;
}
