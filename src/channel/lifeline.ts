import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/**
 * Tells whether another thread is still there, also to a thread that blocks, which hears of no event. The
 * other thread holds the other end of a pair of ports, and does nothing with it: it closes where that
 * thread ends, in whatever way.
 */
export class Lifeline {
  /** For the other thread. */
  readonly otherEnd: MessagePort;
  #end: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#end = port1;
    this.otherEnd = port2;
  }

  /** Never false again once it was true. */
  get isCut(): boolean {
    // That is how a port learns that it was closed; nothing else ever comes.
    receiveMessageOnPort(this.#end);
    try {
      // Only an open port can be given away, here to ourselves.
      this.#end = structuredClone(this.#end, { transfer: [this.#end] });
      return false;
    } catch {
      return true;
    }
  }

  /** It can't be asked any more. */
  close(): void {
    this.#end.close();
  }
}
