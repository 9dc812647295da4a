import { Path } from "../../wire/path.ts";

/** Something that the hub refused somebody on the network, as `banyan audit` shows it. */
export interface Refused {
  /** Milliseconds since 1970, of the first and the last time. */
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** Undefined where that is not known: they were not let in. */
  readonly user?: string | undefined;
  /** The address they came from. */
  readonly from: string;
  /** As "login", "get" or "watch". */
  readonly operation: string;
  readonly path?: Path | undefined;
  readonly why: string;
}

/** What an entry `.banyan.audit:<slot>` holds; undefined for what is no such record. */
export function readRefused(value: unknown): Refused | undefined {
  const { first, last, count, user, from, operation, path, why } = Object(
    value,
  ) as Partial<Refused>;
  const times = [first, last, count].every((number) => typeof number === "number");
  const texts = [from, operation, why].every((text) => typeof text === "string");
  if (!times || !texts) return undefined;
  return {
    first: first as number,
    last: last as number,
    count: count as number,
    from: from as string,
    operation: operation as string,
    why: why as string,
    ...(typeof user === "string" ? { user } : {}),
    ...(path instanceof Path ? { path } : {}),
  };
}
