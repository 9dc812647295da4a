import type * as transaction from "../../src/engine/lmdb-transaction.ts";

/** What a test has to do with the transactions of stores that are held open. */
export interface TransactionHooks {
  /** What LMDB throws where one is to be committed. */
  failure: Error | undefined;
  /** One was. */
  onCommitted: () => void;
}

/** The module, with transactions of which a test hears, and which it can let fail. For `vi.mock`. */
export function hooked(real: typeof transaction, hooks: TransactionHooks): typeof transaction {
  class HeldTransaction extends real.HeldTransaction {
    override end(): void {
      const { isOpen, onEnd } = this;
      if (isOpen && hooks.failure !== undefined) {
        this.onEnd = undefined;
        this.giveUp();
        this.onEnd = onEnd;
        onEnd?.(hooks.failure);
        throw hooks.failure;
      }
      super.end();
      if (isOpen) hooks.onCommitted();
    }
  }
  return { ...real, HeldTransaction };
}
