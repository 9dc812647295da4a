import { RemoteError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { pause } from "../base/pause.ts";

/** How often an address may be wrong before it has to wait. */
const FREE_FAILURES = 3;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5_000;
/** A failure counts half after so long. */
const HALF_LIFE_MS = 60_000;
/** Of one address, which may be that of a whole building; what is more has to come again. */
const MAX_WAITING = 32;
/** Each attempt takes 32 MiB and a quarter of a second of a processor. */
const MAX_AT_A_TIME = 2;
/** Addresses that are remembered; those that failed least lately go first. */
const MAX_ADDRESSES = 10_000;

interface Address {
  failures: number;
  /** By the clock, in milliseconds. */
  failed: number;
  waiting: number;
  last: Promise<unknown>;
}

/**
 * Slows down who guesses. Attempts of one address come one after the other, and the more of them were
 * wrong, the later; all addresses together have little of the machine.
 */
export class LoginGate {
  readonly #clock: Clock;
  readonly #addresses = new Map<string, Address>();
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes that `from` was wrong. */
  failed(from: string): void {
    const address = this.#address(from);
    const now = this.#clock.now();
    address.failures = this.#failures(address) + 1;
    address.failed = now;
  }

  /**
   * Makes an attempt when it is its turn.
   *
   * @returns what it comes to; undefined where it was wrong
   * @throws RemoteError `REMOTE_LIMIT` where too many wait already: that says nothing of who is turned away
   */
  async attempt<T>(from: string, make: () => Promise<T | undefined>): Promise<T | undefined> {
    const address = this.#address(from);
    if (address.waiting >= MAX_WAITING) {
      const says = `${MAX_WAITING} logins from this address wait already; try again in a moment`;
      throw new RemoteError("REMOTE_LIMIT", says);
    }
    address.waiting++;
    const turn = address.last.then(() => this.#inTurn(from, address, make));
    address.last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      address.waiting--;
    }
  }

  async #inTurn<T>(
    from: string,
    address: Address,
    make: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const waitMs = address.failed + waitAfter(this.#failures(address)) - this.#clock.now();
    if (waitMs > 0) await pause(waitMs, { clock: this.#clock });
    if (this.#running >= MAX_AT_A_TIME) await new Promise<void>((next) => this.#queue.push(next));
    else this.#running++;
    try {
      const made = await make();
      if (made === undefined) this.failed(from);
      return made;
    } finally {
      // Whoever is next takes this one's place.
      const next = this.#queue.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #failures({ failures, failed }: Address): number {
    return failures * 0.5 ** ((this.#clock.now() - failed) / HALF_LIFE_MS);
  }

  #address(from: string): Address {
    let address = this.#addresses.get(from);
    address ??= { failures: 0, failed: -Infinity, waiting: 0, last: Promise.resolve() };
    // Behind the others: those that come first were not heard of for the longest time.
    this.#addresses.delete(from);
    this.#addresses.set(from, address);
    for (const [name, { waiting }] of this.#addresses) {
      if (this.#addresses.size <= MAX_ADDRESSES) break;
      if (waiting === 0) this.#addresses.delete(name);
    }
    return address;
  }
}

function waitAfter(failures: number): number {
  if (failures < FREE_FAILURES) return 0;
  return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - FREE_FAILURES));
}
