/** The keys of a tree's secrets, as one place has them at the moment. */
export interface SecretKeys {
  /** In their order; the one that a secret needs is found by its id. Empty where there is none. */
  all(): Promise<readonly Uint8Array[]>;
  /** Makes the first one. Undefined where keys are given, and never made. */
  readonly create?: (() => Promise<Uint8Array>) | undefined;
  /** Where they are looked for, for messages. */
  readonly from: string;
}

/** What the entry above all secrets says: which key they are sealed with. */
export interface KeyRecord {
  readonly current: string;
  /** All are being sealed anew with this one, and what is written is sealed with it already. */
  readonly next?: string | undefined;
}

/** Undefined for what is no such record. */
export function readKeyRecord(value: unknown): KeyRecord | undefined {
  const { current, next } = Object(value) as Partial<KeyRecord>;
  if (typeof current !== "string") return undefined;
  return typeof next === "string" ? { current, next } : { current };
}
