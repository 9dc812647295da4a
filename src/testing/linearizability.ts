/** One operation on a register, as its client saw it. Values are unique: no two writes have the same. */
export interface RegisterOperation {
  /** When it was asked for, and when it was answered, by one clock; without an answer, `undefined`. */
  readonly called: number;
  readonly returned: number | undefined;
  readonly type: "read" | "write" | "swap";
  /** What was read, or is to be there after it; `undefined`: nothing. */
  readonly value: string | undefined;
  /** Of a swap: what has to be there before it. */
  readonly from?: string | undefined;
  /** Of a swap that was answered: whether it was done. */
  readonly done?: boolean | undefined;
}

/** Why a history can't be. */
export interface Violation {
  /** The operation that fits nowhere, in the attempt that got furthest. */
  readonly operation: RegisterOperation;
  /** What the register held then. */
  readonly held: string | undefined;
  /** How many operations fitted before. */
  readonly placed: number;
}

/**
 * Looks whether a register (reads, writes, compare-and-set) can have given this history: whether each
 * operation can be said to have happened in one instant between its call and its answer. What was never
 * answered may have happened at any time after its call, or not at all.
 *
 * The search is Wing and Gong's (1993) with Lowe's memory of what was tried (2017): it takes operations
 * out of the history one after the other, and goes back where one can't be placed.
 *
 * @returns undefined where it can
 */
export function findViolation(
  history: readonly RegisterOperation[],
  initial?: string,
): Violation | undefined {
  return new Search(history).run(initial);
}

/** A call or an answer, in the order of time. */
interface Event {
  readonly operation: RegisterOperation;
  /** Of a call: its answer, if there was one. */
  readonly answer: Event | undefined;
  readonly isCall: boolean;
  readonly hash: readonly [number, number];
  previous: Event | undefined;
  next: Event | undefined;
}

interface Placed {
  readonly call: Event;
  readonly held: string | undefined;
}

class Search {
  readonly #head: Event;
  readonly #placed: Placed[] = [];
  readonly #tried = new Set<string>();
  #hash: [number, number] = [0, 0];
  #unanswered: number;
  #best: Violation | undefined;

  constructor(history: readonly RegisterOperation[]) {
    this.#head = linked(history);
    this.#unanswered = history.filter(({ returned }) => returned !== undefined).length;
  }

  run(initial: string | undefined): Violation | undefined {
    let held = initial;
    let event = this.#head.next;
    while (this.#unanswered > 0 && event !== undefined) {
      if (!event.isCall) {
        this.#note(event.operation, held);
        const last = this.#back();
        if (last === undefined) return this.#best;
        held = last.held;
        event = last.call.next;
      } else if (isPossible(event.operation, held) && this.#isNew(event, held)) {
        this.#placed.push({ call: event, held });
        held = after(event.operation, held);
        this.#take(event);
        event = this.#head.next;
      } else {
        event = event.next;
      }
    }
    return undefined;
  }

  /** The last one that may as well have come later. What changes nothing was best where it was. */
  #back(): Placed | undefined {
    for (;;) {
      const last = this.#placed.pop();
      if (last === undefined) return undefined;
      this.#putBack(last.call);
      if (changes(last.call.operation)) return last;
    }
  }

  #isNew({ operation, hash }: Event, held: string | undefined): boolean {
    const [a, b] = this.#hash;
    const key = `${a ^ hash[0]} ${b ^ hash[1]} ${after(operation, held) ?? "\0"}`;
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    return true;
  }

  #note(operation: RegisterOperation, held: string | undefined): void {
    const placed = this.#placed.length;
    if (this.#best === undefined || placed > this.#best.placed) {
      this.#best = { operation, held, placed };
    }
  }

  #take(call: Event): void {
    this.#turn(call);
    unlink(call);
    if (call.answer === undefined) return;
    unlink(call.answer);
    this.#unanswered--;
  }

  #putBack(call: Event): void {
    this.#turn(call);
    if (call.answer !== undefined) {
      link(call.answer);
      this.#unanswered++;
    }
    link(call);
  }

  /** Into the hash of what is placed, or out of it. */
  #turn({ hash: [a, b] }: Event): void {
    this.#hash = [this.#hash[0] ^ a, this.#hash[1] ^ b];
  }
}

function isPossible(operation: RegisterOperation, held: string | undefined): boolean {
  const { type, value, from, done } = operation;
  if (type === "read") return operation.returned === undefined || value === held;
  if (type === "write") return true;
  return done === false ? from !== held : from === held;
}

function after(operation: RegisterOperation, held: string | undefined): string | undefined {
  return changes(operation) ? operation.value : held;
}

function changes({ type, done }: RegisterOperation): boolean {
  return type === "write" || (type === "swap" && done !== false);
}

/** All events in the order of time behind a head of none; of one moment, calls come first. */
function linked(history: readonly RegisterOperation[]): Event {
  const events: Event[] = [];
  for (const [i, operation] of history.entries()) {
    const hash = [spread(2 * i + 1), spread(2 * i + 2)] as const;
    const shared = { operation, hash, previous: undefined, next: undefined };
    const answer: Event | undefined =
      operation.returned === undefined
        ? undefined
        : { ...shared, isCall: false, answer: undefined };
    events.push({ ...shared, isCall: true, answer });
    if (answer !== undefined) events.push(answer);
  }
  const time = ({ isCall, operation: { called, returned = called } }: Event): number =>
    isCall ? called : returned;
  events.sort((a, b) => time(a) - time(b) || Number(b.isCall) - Number(a.isCall));
  const nothing: RegisterOperation = { called: 0, returned: 0, type: "read", value: undefined };
  const head: Event = {
    operation: nothing,
    answer: undefined,
    isCall: true,
    hash: [0, 0],
    previous: undefined,
    next: undefined,
  };
  let last = head;
  for (const event of events) {
    event.previous = last;
    last.next = event;
    last = event;
  }
  return head;
}

function unlink(event: Event): void {
  if (event.previous !== undefined) event.previous.next = event.next;
  if (event.next !== undefined) event.next.previous = event.previous;
}

/** To where it was: what was taken out last goes back first. */
function link(event: Event): void {
  if (event.previous !== undefined) event.previous.next = event;
  if (event.next !== undefined) event.next.previous = event;
}

/** 32 bits that look random, for each number others. */
function spread(seed: number): number {
  let t = (seed * 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), 1 | t);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return t ^ (t >>> 14);
}
