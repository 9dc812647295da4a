import type { LinkSink } from "./peers.ts";

/** The links between clients of one engine: what breaks them when the engine ends. */
export class LocalLinks {
  readonly #open = new Set<LocalLink>();

  open(near: LinkSink): LocalLink {
    const link: LocalLink = new LocalLink(near, () => this.#open.delete(link));
    this.#open.add(link);
    return link;
  }

  close(): void {
    for (const link of this.#open) link.break("the engine was closed");
  }
}

/** One link: passes on what each end says, until both have ended or one broke it. */
export class LocalLink {
  /** What the far end sends to. */
  readonly toNear: LinkSink;
  /** What the near end sends to. */
  readonly toFar: LinkSink;
  readonly #onOver: () => void;
  readonly #near: LinkSink;
  #far: LinkSink | undefined;
  #ends = 0;

  constructor(near: LinkSink, onOver: () => void) {
    this.#near = near;
    this.#onOver = onOver;
    this.toNear = this.#towards(() => this.#near);
    this.toFar = this.#towards(() => this.#far);
  }

  /** Once the far end is there. */
  join(far: LinkSink): void {
    this.#far = far;
  }

  /** It never came to be. */
  forget(): void {
    this.#over(2);
  }

  /** Breaks both ends. */
  break(reason: string): void {
    if (!this.#over(2)) return;
    this.#near.broken(reason);
    this.#far?.broken(reason);
  }

  #towards(end: () => LinkSink | undefined): LinkSink {
    return {
      message: (piece, more) => (this.#ends < 2 ? end()?.message(piece, more) : undefined),
      end: () => {
        end()?.end();
        this.#over(1);
      },
      broken: (reason) => {
        if (this.#over(2)) end()?.broken(reason);
      },
    };
  }

  /** False where it was over before. */
  #over(ends: number): boolean {
    if (this.#ends >= 2) return false;
    this.#ends += ends;
    if (this.#ends >= 2) this.#onOver();
    return true;
  }
}
