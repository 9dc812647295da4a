import type { PostEvents } from "./posting-channel.ts";

/** What `MessagePort`s and `Worker`s have in common, of Node and of browsers. */
export interface PortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** A `MessagePort` has it, a `Worker` has not. */
  close?(): void;
  start?(): void;
  /** Node's have these. */
  ref?(): void;
  unref?(): void;
}

/** Node's: listeners get what was posted. */
interface NodePort extends PortLike {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
}

/** A browser's: listeners get an event around it. */
interface WebPort extends PortLike {
  addEventListener(event: string, listener: (event: { readonly data?: unknown }) => void): void;
  removeEventListener(event: string, listener: (event: { readonly data?: unknown }) => void): void;
}

/**
 * Listens until the function that it returns is called. Where an uncaught error ended the thread, that
 * is the cause.
 */
export function listenToPort(port: PortLike, listeners: PostEvents): () => void {
  if (isNodePort(port)) return listenToNodePort(port, listeners);
  if (isWebPort(port)) return listenToWebPort(port, listeners);
  throw new TypeError("neither a MessagePort nor a Worker");
}

function listenToNodePort(
  port: NodePort,
  { onMessage, onGone, onGarbage }: PostEvents,
): () => void {
  let cause: unknown;
  const events: Readonly<Record<string, (value: unknown) => void>> = {
    message: onMessage,
    messageerror: onGarbage,
    close: () => onGone(cause),
    exit: () => onGone(cause),
    // A worker's uncaught error. "exit" follows, after the last messages.
    error: (error) => (cause = error),
  };
  for (const [event, listener] of Object.entries(events)) port.on(event, listener);
  return () => {
    for (const [event, listener] of Object.entries(events)) port.off(event, listener);
  };
}

function listenToWebPort(port: WebPort, listeners: PostEvents): () => void {
  const events: Readonly<Record<string, (event: { readonly data?: unknown }) => void>> = {
    message: ({ data }) => listeners.onMessage(data),
    messageerror: listeners.onGarbage,
    close: () => listeners.onGone(undefined),
    // A browser's worker does not say that it has ended: an uncaught error is all there is.
    error: listeners.onGone,
  };
  for (const [event, listener] of Object.entries(events)) port.addEventListener(event, listener);
  port.start?.();
  return () => {
    for (const [event, listener] of Object.entries(events)) {
      port.removeEventListener(event, listener);
    }
  };
}

function isNodePort(port: PortLike): port is NodePort {
  return "on" in port && typeof port.on === "function" && "off" in port;
}

function isWebPort(port: PortLike): port is WebPort {
  return "addEventListener" in port && typeof port.addEventListener === "function";
}
