import { TreeError } from "../../base/errors.ts";
import { kindOf } from "../../base/kind-of.ts";
import type { PasswordHash } from "./password.ts";

/** What an entry `.banyan.user.<name>` holds. Times are milliseconds since 1970. */
export interface UserRecord {
  /** A person or a program, or a machine that runs jobs. */
  readonly kind: UserKind;
  /** What they may do is what any of these lets them. */
  readonly roles: readonly string[];
  /** They are not let in. */
  readonly disabled: boolean;
  readonly created: number;
  /** The set of conversions that holds for them. */
  readonly codecs?: string | undefined;
  readonly password?: PasswordHash | undefined;
  readonly tokens: Readonly<Record<string, TokenRecord>>;
}

export type UserKind = "user" | "node";

interface TokenRecord {
  readonly hash: Uint8Array;
  readonly created: number;
  readonly expires?: number | undefined;
  /** What it is for; for people. */
  readonly note?: string | undefined;
}

/** Somebody as they are shown: nothing by which one could pass for them. */
export interface User {
  readonly name: string;
  readonly kind: UserKind;
  readonly roles: readonly string[];
  readonly disabled: boolean;
  readonly created: number;
  readonly codecs?: string | undefined;
  /** How they can say who they are. */
  readonly methods: readonly ("password" | "token")[];
  readonly tokens: readonly TokenInfo[];
}

interface TokenInfo {
  readonly id: string;
  readonly created: number;
  readonly expires?: number | undefined;
  readonly note?: string | undefined;
}

const MAX_NAME_CHARS = 64;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._@-]*$/u;

/** @throws TypeError, RangeError for what can't be the name of a user or a role */
export function checkUserName(name: unknown, what: string): asserts name is string {
  if (typeof name !== "string") throw new TypeError(`${what} is text, not ${kindOf(name)}`);
  if (isUserName(name)) return;
  const says = `${what} is ${MAX_NAME_CHARS} letters, digits and . _ @ - at most, and begins with a letter or digit`;
  throw new RangeError(`${says}; ${JSON.stringify(name.slice(0, MAX_NAME_CHARS))} is not`);
}

/** Whether a user or a role can have that name. */
export function isUserName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && NAME.test(name);
}

/** What is stored, with what is missing filled in; undefined for what is no such record. */
export function readUserRecord(value: unknown): UserRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, roles, disabled, created, codecs, password, tokens } = value as Partial<UserRecord>;
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) return undefined;
  return {
    kind: kind === "node" ? "node" : "user",
    roles,
    // Only who is plainly not disabled is let in.
    disabled: disabled !== false,
    created: typeof created === "number" ? created : 0,
    ...(typeof codecs === "string" ? { codecs } : {}),
    password: isPasswordHash(password) ? password : undefined,
    tokens: readTokens(tokens),
  };
}

export function toUser(name: string, record: UserRecord): User {
  const { kind, roles, disabled, created, codecs, password, tokens } = record;
  const shown = Object.entries(tokens).map(([id, token]) => ({
    id,
    created: token.created,
    expires: token.expires,
    note: token.note,
  }));
  const methods: ("password" | "token")[] = [];
  if (password !== undefined) methods.push("password");
  if (shown.length > 0) methods.push("token");
  const known = { name, kind, roles, disabled, created, methods, tokens: shown };
  return codecs === undefined ? known : { ...known, codecs };
}

export function noUser(name: string): TreeError {
  return new TreeError("TREE_NO_USER", `there is no user ${JSON.stringify(name)}`);
}

function readTokens(tokens: unknown): Record<string, TokenRecord> {
  const found: [string, TokenRecord][] = [];
  for (const [id, token] of Object.entries(Object(tokens) as Record<string, unknown>)) {
    const { hash, created, expires, note } = Object(token) as Partial<TokenRecord>;
    if (!(hash instanceof Uint8Array)) continue;
    found.push([
      id,
      {
        hash,
        created: typeof created === "number" ? created : 0,
        ...(typeof expires === "number" ? { expires } : {}),
        ...(typeof note === "string" ? { note } : {}),
      },
    ]);
  }
  return Object.fromEntries(found);
}

function isPasswordHash(value: unknown): value is PasswordHash {
  const { scheme, cost, blockSize, parallelism, salt, hash } = Object(
    value,
  ) as Partial<PasswordHash>;
  const numbers = [cost, blockSize, parallelism].every((n) => Number.isSafeInteger(n));
  const bytes = salt instanceof Uint8Array && hash instanceof Uint8Array && hash.length >= 16;
  return scheme === "scrypt" && numbers && bytes;
}
