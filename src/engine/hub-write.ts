import type { Path } from "../wire/path.ts";
import type { WriteOptions, WriteResult } from "./engine.ts";
import { Ask } from "./hub-bytes.ts";
import type { HubSession } from "./hub-link.ts";
import { isLarge, packWrite } from "./packed-write.ts";

/** A write that may have to be sent again, when its caller has long gone on with the array of the value. */
export class SentWrite {
  readonly #path: Path;
  #value: Uint8Array | undefined;
  #isOurs = false;

  /** `isSoon`: it is sent in this step. */
  constructor(path: Path, value: Uint8Array | undefined, isSoon: boolean) {
    this.#path = path;
    this.#value = value;
    if (!isSoon) this.#own();
  }

  /** Sends it in the shortest form that the hub takes. What comes back is for `unpackResult`. */
  send(options: WriteOptions, { hub, bytes }: HubSession): PromiseLike<Uint8Array | WriteResult> {
    const path = this.#path;
    const value = this.#value;
    if (bytes !== undefined && !isLarge(value)) {
      let sent: Uint8Array | undefined;
      const answer = bytes.ask((writer) => {
        writer.u8(Ask.write);
        packWrite(writer, { path, value, options });
        sent = value && writer.last(value.length);
      });
      // Those in the message are as good as a copy; where it did not leave, there are none. (What fits in no message is not sent again.)
      this.#own(sent);
      return answer as Promise<Uint8Array | WriteResult>;
    }
    this.#own();
    const said = withoutUnsaid(options);
    return value === undefined ? hub.delete(path, said) : hub.put(path, value, said);
  }

  #own(copy?: Uint8Array): void {
    if (!this.#isOurs) this.#value = copy ?? (this.#value && new Uint8Array(this.#value));
    this.#isOurs = true;
  }
}

/** What is undefined is as good as not there, and each name would be sent and read. */
function withoutUnsaid(options: WriteOptions): WriteOptions {
  const { ifRevision, condition, operation, repeats, author, durability } = options;
  const said: WriteOptions = {};
  if (operation !== undefined) said.operation = operation;
  if (repeats !== undefined) said.repeats = repeats;
  if (author !== undefined) said.author = author;
  if (durability !== undefined) said.durability = durability;
  if (ifRevision !== undefined) said.ifRevision = ifRevision;
  if (condition !== undefined) said.condition = condition;
  return said;
}
