import type { AbortOptions } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { BanyanError, TreeError } from "../../base/errors.ts";
import { checkOptions, type OptionNames } from "../../base/options.ts";
import type { Path } from "../../wire/path.ts";
import type { TreeEntry } from "../entry.ts";
import type { Tree } from "../tree.ts";
import { isSameHash, newToken, parseToken } from "./token.ts";
import { checkUserName, readUserRecord } from "./user-record.ts";

/** What an entry `.banyan.invite.<id>` holds. Times are milliseconds since 1970. */
interface InviteRecord {
  readonly hash: Uint8Array;
  readonly created: number;
  readonly expires: number;
  /** The only name it is for. */
  readonly name?: string | undefined;
  /** Whose it was, when and from where: it stays for a while, because it may be shown again. */
  readonly used?: InviteUse | undefined;
}

interface InviteUse {
  readonly name: string;
  readonly from: string;
  readonly time: number;
  /** Of the token by which the machine shows that it is the same: it may come again until it has its answer. */
  readonly hash?: Uint8Array | undefined;
  /** The machine's user is there; without one it was not done to the end. */
  readonly done?: boolean | undefined;
}

export interface InviteOptions {
  /** How long it holds, in milliseconds. Default: an hour. */
  readonly forMs?: number | undefined;
  /** The only name that the machine may take. */
  readonly name?: string | undefined;
}

/** An invitation as it is shown: nothing by which one could use it. */
export interface Invite {
  readonly id: string;
  readonly created: number;
  readonly expires: number;
  readonly name: string | undefined;
  readonly state: "open" | "used" | "expired";
  readonly used:
    | { readonly name: string; readonly from: string; readonly time: number }
    | undefined;
}

/** What a machine is known by from then on. */
export interface Joined {
  readonly user: string;
  readonly token: string;
}

interface FoundInvite {
  readonly path: Path;
  readonly entry: TreeEntry;
  readonly record: InviteRecord;
}

const INVITE_OPTIONS: OptionNames<InviteOptions> = { forMs: true, name: true };
const DEFAULT_FOR_MS = 60 * 60 * 1000;
/** How long one that can't be used any more is kept, to tell what became of it. */
const KEEP_MS = 7 * 24 * 60 * 60 * 1000;
const MAX_INVITES = 1_000;

/** Invitations of machines to a tree: each lets one machine become a node, once, and for a while. */
export class Invites {
  readonly #tree: Tree;
  readonly #clock: Clock;

  constructor(tree: Tree, clock: Clock) {
    this.#tree = tree;
    this.#clock = clock;
  }

  /** The text is given this once. */
  async add(options: InviteOptions = {}): Promise<{ text: string; invite: Invite }> {
    checkOptions(options, INVITE_OPTIONS, "invites.add");
    const { forMs = DEFAULT_FOR_MS, name } = options;
    if (!(forMs > 0 && forMs < Infinity)) throw new RangeError("forMs is more than 0");
    if (name !== undefined) checkUserName(name, "a node's name");
    await this.#tidy();
    const { id, text, hash } = newToken();
    const created = this.#clock.wall();
    const record: InviteRecord = {
      hash,
      created,
      expires: created + forMs,
      ...(name === undefined ? {} : { name }),
    };
    await this.#tree.set(this.#path(id), record, { onlyNew: true });
    return { text, invite: this.#shown(id, record) };
  }

  /** Those that there are, the oldest first. */
  async list(options: AbortOptions = {}): Promise<Invite[]> {
    const all = await this.#all(options);
    return all
      .map(({ id, record }) => this.#shown(id, record))
      .toSorted((a, b) => a.created - b.created);
  }

  /** @returns whether there was one */
  async remove(id: string): Promise<boolean> {
    return (await this.#tree.delete(this.#path(id))).changed;
  }

  /** Whether this is the text of an invitation, of one that can't be used any more, too. */
  async has(text: unknown): Promise<boolean> {
    return (await this.#find(text)) !== undefined;
  }

  /**
   * Makes a node's user of an invitation, which is used by that, for whoever is first. Where it was broken
   * off, at whichever side, who comes again with the same name and token has the same answer.
   *
   * @param token the text of one that the machine has made for itself
   * @throws TreeError `TREE_BAD_INVITE` where it can't be used; `TREE_EXISTS` where there is a user of
   *   that name, and the invitation stays
   */
  async redeem(
    text: unknown,
    name: string,
    from: string,
    token: string = newToken().text,
  ): Promise<Joined> {
    checkUserName(name, "a node's name");
    const hash = parseToken(token)?.hash;
    if (hash === undefined) throw new TypeError("that is no text of a token");
    const found = await this.#find(text);
    if (found === undefined) throw badInvite("there is no such invitation");
    const { record } = found;
    const isAgain = isUsedBy(record.used, name, hash);
    const isDone = isAgain && record.used?.done === true;
    if (isDone && (await this.#has(name, token))) return { user: name, token };
    const why = this.#whyNot(record, name, isAgain && !isDone);
    if (why !== undefined) throw badInvite(why);
    // Nothing is done before it is certain whose it is.
    const use = isAgain ? found : await this.#use(found, { name, from, hash });
    await this.#add(use, { name, token });
    return { user: name, token };
  }

  async #use(
    { path, record, entry }: FoundInvite,
    {
      name,
      from,
      hash,
    }: { readonly name: string; readonly from: string; readonly hash: Uint8Array },
  ): Promise<FoundInvite> {
    if ((await this.#tree.users.get(name)) !== undefined) throw taken(name);
    const used = { name, from, time: this.#clock.wall(), hash };
    try {
      const next = { ...record, used };
      const { revision } = await this.#tree.set(path, next, { ifRevision: entry.revision });
      return { path, record: next, entry: { ...entry, revision } };
    } catch (error) {
      if (!BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
      throw badInvite("the invitation was used by another machine in this moment");
    }
  }

  /** Makes the user, if it is not there from before, and notes that it is. */
  async #add(
    { path, record, entry }: FoundInvite,
    { name, token }: { readonly name: string; readonly token: string },
  ): Promise<void> {
    const { used, ...unused } = record;
    const write = async (next: InviteRecord): Promise<void> => {
      try {
        await this.#tree.set(path, next, { ifRevision: entry.revision });
      } catch (error) {
        // The same machine, which is here twice, has done it.
        if (!BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
      }
    };
    try {
      await this.#tree.users.add(name, { kind: "node", roles: ["node"], token });
    } catch (error) {
      if (!BanyanError.has(error, "TREE_EXISTS")) throw error;
      if (!(await this.#has(name, token))) {
        // Somebody took the name in this moment: the invitation is as good as before.
        await write(unused);
        throw taken(name);
      }
    }
    if (used !== undefined) await write({ ...unused, used: { ...used, done: true } });
  }

  /** Whether there is that user, with that token. */
  async #has(name: string, text: string): Promise<boolean> {
    const record = readUserRecord(await this.#tree.get(this.#tree.system.user.append(name)));
    const token = parseToken(text);
    const stored = token === undefined ? undefined : record?.tokens[token.id];
    return token !== undefined && stored !== undefined && isSameHash(stored.hash, token.hash);
  }

  /** Why it can't be used by that name; `again`: by the machine that had begun to. */
  #whyNot(record: InviteRecord, name: string, again: boolean): string | undefined {
    const why = again ? this.#expired(record) : this.#state(record).why;
    if (why !== undefined || record.name === undefined || record.name === name) return why;
    return `the invitation is for a node named ${record.name}`;
  }

  #expired({ expires }: InviteRecord): string | undefined {
    return expires > this.#clock.wall() ? undefined : "the invitation has expired";
  }

  async #find(text: unknown): Promise<FoundInvite | undefined> {
    const token = parseToken(text);
    if (token === undefined) return undefined;
    const path = this.#path(token.id);
    const entry = await this.#tree.entry(path);
    const record = readInvite(entry?.value);
    if (entry === undefined || record === undefined) return undefined;
    return isSameHash(record.hash, token.hash) ? { path, entry, record } : undefined;
  }

  #state(record: InviteRecord): { state: Invite["state"]; why?: string } {
    const { used } = record;
    if (used !== undefined) {
      const when = new Date(used.time).toISOString();
      return {
        state: "used",
        why: `the invitation was used by ${used.name} from ${used.from} at ${when}`,
      };
    }
    const why = this.#expired(record);
    return why === undefined ? { state: "open" } : { state: "expired", why };
  }

  #shown(id: string, record: InviteRecord): Invite {
    const { created, expires, name, used } = record;
    const shown = used && { name: used.name, from: used.from, time: used.time };
    return { id, created, expires, name, state: this.#state(record).state, used: shown };
  }

  async #all(options: AbortOptions = {}): Promise<{ id: string; record: InviteRecord }[]> {
    const all: { id: string; record: InviteRecord }[] = [];
    for await (const { name: id, entry } of this.#tree.list(this.#tree.system.invite, options)) {
      const record = readInvite(entry?.value);
      if (record !== undefined && typeof id === "string") all.push({ id, record });
    }
    return all;
  }

  /** What nobody needs to know any more goes. */
  async #tidy(): Promise<void> {
    const all = await this.#all();
    const old = this.#clock.wall() - KEEP_MS;
    const gone = all.filter(({ record }) => Math.max(record.expires, record.used?.time ?? 0) < old);
    for (const { id } of gone) await this.remove(id);
    if (all.length - gone.length < MAX_INVITES) return;
    throw new RangeError(`there are ${MAX_INVITES} invitations; remove old ones`);
  }

  #path(id: string): Path {
    return this.#tree.system.invite.append(id);
  }
}

function isUsedBy(used: InviteUse | undefined, name: string, hash: Uint8Array): boolean {
  return used?.hash !== undefined && used.name === name && isSameHash(used.hash, hash);
}

function badInvite(why: string): TreeError {
  return new TreeError("TREE_BAD_INVITE", `${why}; ask for another one`);
}

function taken(name: string): TreeError {
  const says = `there is a user or node ${JSON.stringify(name)} already; take another name, or remove it first`;
  return new TreeError("TREE_EXISTS", says);
}

function readInvite(value: unknown): InviteRecord | undefined {
  const { hash, created, expires, name, used } = Object(value) as Partial<InviteRecord>;
  if (!(hash instanceof Uint8Array) || typeof expires !== "number") return undefined;
  return {
    hash,
    created: typeof created === "number" ? created : 0,
    expires,
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof used === "object" ? { used } : {}),
  };
}
