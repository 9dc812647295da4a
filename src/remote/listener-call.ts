import { stubOf } from "./stub-handle.ts";

/**
 * Whether a function is called as a listener of an `EventTarget`. Node ends the process when such a one
 * throws, or gives a promise that is rejected: nobody at another side is to have that in hand.
 */
export function isListenerCall(receiver: unknown, args: readonly unknown[]): boolean {
  if (args.length !== 1 || typeof receiver !== "object" || receiver === null) return false;
  const [event] = args;
  if (typeof event !== "object" || event === null || stubOf(event) !== undefined) return false;
  // Node forgets the current one behind the first listener.
  return event instanceof Event && (event.currentTarget === receiver || event.target === receiver);
}

/** What it throws is for nobody. */
export function quietly(call: () => unknown): undefined {
  try {
    call();
  } catch {
    // As with a promise that nobody looks at: whoever called knows of no failure to handle.
  }
  return undefined;
}
