import type { Clock } from "../base/clock.ts";
import type { Mirror } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import { toGroupEntry, toListing } from "./group.ts";
import type { ActorFields } from "./kit/messages.ts";
import type { Roster } from "./roster.ts";

export interface GroupViewOptions {
  readonly tree: Tree;
  readonly clock: Clock;
  /** This node's name. */
  readonly node: string;
  /** Used, not owned. */
  readonly roster: Roster;
}

/** How much of a group a node sees. */
export class GroupView implements AsyncDisposable {
  readonly #options: GroupViewOptions;
  readonly #expected: Mirror;
  /** By group, the last that was asked for. */
  readonly #last = new Map<string, ActorFields>();

  private constructor(options: GroupViewOptions, expected: Mirror) {
    this.#options = options;
    this.#expected = expected;
  }

  static async open(options: GroupViewOptions): Promise<GroupView> {
    const { tree } = options;
    return new GroupView(options, await tree.mirror(tree.system.group));
  }

  /** Calls `listener` when other members are expected. */
  onChange(listener: () => void): Disposable {
    return this.#expected.subscribe(listener);
  }

  /** Whether there is anything to say of a group: of one that nobody has described, everyone is there. */
  isExpected(group: string): boolean {
    return this.#expect(group) !== undefined;
  }

  /** The same object as before where nothing has changed. `store`: "ok" where this node has a lease. */
  state(group: string, store: ActorFields["store"]): ActorFields {
    const { clock } = this.#options;
    const seen = store === "away" ? this.#cutOff(group) : this.#seen(group, store);
    const last = this.#last.get(group);
    if (last !== undefined && isSame(last, seen)) return last;
    const state: ActorFields = { type: "actor", ...seen, group, since: clock.wall() / 1000 };
    this.#last.set(group, state);
    return state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#expected.close();
  }

  #seen(group: string, store: "ok" | "refuses"): Seen {
    const { node } = this.#options;
    const live = this.#live(group);
    const { complete, missing } = toListing(group, this.#expect(group), [...live, node]);
    if (store === "refuses") return { state: "broken", peers: live, missing, store };
    return { state: complete ? "complete" : "partial", peers: live, missing, store };
  }

  /** All that others say comes through the hub. */
  #cutOff(group: string): Seen {
    const expect = this.#expect(group);
    const known = typeof expect === "object" ? expect : this.#live(group);
    const missing = known.filter((name) => name !== this.#options.node);
    return { state: "detached", peers: [], missing, store: "away" };
  }

  #expect(group: string): number | readonly string[] | undefined {
    const { path } = this.#expected;
    return toGroupEntry(this.#expected.entry(path.append(group))?.value)?.expect;
  }

  /** The other members whose lease holds, as far as can be seen. */
  #live(group: string): readonly string[] {
    const { roster, node } = this.#options;
    const members = roster.live().filter(({ entry }) => entry.groups.includes(group));
    return members.map(({ name }) => name).filter((name) => name !== node);
  }
}

type Seen = Pick<ActorFields, "state" | "peers" | "missing" | "store">;

function isSame(a: Seen, b: Seen): boolean {
  const text = ({ state, peers, missing, store }: Seen): string =>
    JSON.stringify([state, peers, missing, store]);
  return text(a) === text(b);
}
