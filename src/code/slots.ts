import { BanyanError, type CodeError } from "../base/errors.ts";
import type { Procedure } from "./procedure.ts";
import type { Stage } from "./stage.ts";
import { type AsyncMode, splitId, unitId } from "./unit.ts";

/** What a caller keeps of a path: while it has code, the same object, with whatever is live in it. */
export interface CodeSlot {
  readonly procedure: Procedure | undefined;
  /** Why there is none; `undefined` also where it is not to be evaluated here. */
  readonly error: CodeError | undefined;
  readonly isAsync: AsyncMode;
}

type OpenSlot = { -readonly [Field in keyof CodeSlot]: CodeSlot[Field] };

/** The procedures that are live, by the text of their paths. */
export class CodeSlots {
  readonly #slots = new Map<string, OpenSlot>();

  get(name: string): CodeSlot | undefined {
    return this.#slots.get(name);
  }

  /** Puts what is live from now on into the slots. Synchronous. */
  fill({ sources, plan, generation, errors }: Stage): void {
    for (const id of sources.keys()) {
      const [kind, name] = splitId(id);
      if (kind === "module") continue;
      const slot = this.#slots.get(name) ?? emptySlot();
      this.#slots.set(name, slot);
      const found = generation.peek(id);
      slot.procedure = found === undefined || BanyanError.is(found) ? undefined : found.procedure;
      slot.error = slot.procedure === undefined ? errors.get(id) : undefined;
      slot.isAsync = plan.units.get(id)?.unit.isAsync ?? null;
    }
    for (const [name, slot] of this.#slots) {
      if (!sources.has(unitId("proc", name))) this.#remove(name, slot);
    }
  }

  clear(): void {
    for (const [name, slot] of this.#slots) this.#remove(name, slot);
  }

  /** Whoever holds the slot must not call what is gone. */
  #remove(name: string, slot: OpenSlot): void {
    Object.assign(slot, emptySlot());
    this.#slots.delete(name);
  }
}

function emptySlot(): OpenSlot {
  return { procedure: undefined, error: undefined, isAsync: null };
}
