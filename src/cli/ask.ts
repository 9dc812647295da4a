import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";

import { CliError } from "../base/errors.ts";
import type { CliIo } from "./context.ts";

/** Where words that nobody should read come from: what is typed is not shown. */
export async function askSecret(io: CliIo, question: string): Promise<string> {
  if (io.stdin.isTTY !== true) {
    throw new CliError("CLI_USAGE", `${question}: there is no terminal to ask at`);
  }
  io.stderr.write(`${question}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true });
  try {
    return await lines.question("", { signal: io.signal });
  } finally {
    lines.close();
    io.stderr.write("\n");
  }
}

/** A new secret: asked for twice at a terminal, else what stdin holds, without the end of its line. */
export async function newSecret(io: CliIo, name: string): Promise<string> {
  if (io.stdin.isTTY !== true) return (await text(io.stdin)).replace(/\r?\n$/, "");
  const first = await askSecret(io, `New ${name}`);
  const again = await askSecret(io, "Once more");
  if (first === again) return first;
  throw new CliError("CLI_USAGE", "that was not the same twice");
}
