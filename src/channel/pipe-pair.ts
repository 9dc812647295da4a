import type { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";

/** One pipe to a process and one from it, which may be the same socket. */
export interface Pipes {
  readonly input: Writable;
  readonly output: Readable;
  /**
   * Called when the pipes are at their end, in order or not: the error that is behind it, if there
   * is one.
   */
  readonly reason: () => Promise<Error | undefined>;
}

/** Two pipes as the one stream that a channel takes. Destroying it destroys both. */
export class PipePair extends Duplex {
  readonly #pipes: Pipes;
  constructor(pipes: Pipes) {
    super({ allowHalfOpen: true });
    this.#pipes = pipes;
    const { input, output } = pipes;
    output.on("data", (chunk: Uint8Array) => {
      if (!this.push(chunk)) output.pause();
    });
    // Only once it is asked for: what nobody reads waits in the pipe.
    output.pause();
    output.on("end", () => void this.#end());
    output.on("error", (error) => void this.#fail(error));
    // Writing has told already. Without a listener it would end this process.
    input.on("error", () => {});
  }

  /** As those of a socket. */
  ref(): void {
    for (const pipe of [this.#pipes.input, this.#pipes.output]) (pipe as Partial<Socket>).ref?.();
  }

  unref(): void {
    for (const pipe of [this.#pipes.input, this.#pipes.output]) (pipe as Partial<Socket>).unref?.();
  }

  override _read(): void {
    this.#pipes.output.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#pipes.input.write(chunk, (error) => this.#written(error, done));
  }

  override _writev(
    chunks: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error) => void,
  ): void {
    const { input } = this.#pipes;
    input.cork();
    for (const [i, { chunk }] of chunks.entries()) {
      if (i < chunks.length - 1) input.write(chunk);
      else input.write(chunk, (error) => this.#written(error, done));
    }
    input.uncork();
  }

  override _final(done: (error?: Error) => void): void {
    const { input } = this.#pipes;
    // A process that has exited leaves nothing to end, and that alone is no failure.
    if (input.destroyed) done();
    else input.end((error?: Error | null) => this.#written(error, done));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pipes.input.destroy();
    this.#pipes.output.destroy();
    done(error);
  }

  #written(error: Error | null | undefined, done: (error?: Error) => void): void {
    if (error === null || error === undefined) done();
    else void this.#refuse(error, done);
  }

  async #refuse(error: Error, done: (error: Error) => void): Promise<void> {
    const reason = await this.#pipes.reason();
    done(reason ?? error);
  }

  async #end(): Promise<void> {
    const reason = await this.#pipes.reason();
    if (this.destroyed) return;
    // Told when everything that came before it was read.
    if (reason !== undefined) this.once("end", () => this.destroy(reason));
    this.push(null);
    // The end is told also where nobody reads, as a socket tells it.
    this.read(0);
  }

  async #fail(error: Error): Promise<void> {
    this.destroy((await this.#pipes.reason()) ?? error);
  }
}
