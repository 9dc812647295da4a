// Serves a page that uses objects of this process: `node examples/browser/server.mjs [port]`.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { listen } from "banyan/remote";

/** Notes that every page sees. A page passes a function, and is called. */
class Board {
  #notes = [];
  #watchers = new Set();

  async add(text) {
    const note = { at: new Date(), text: String(text).slice(0, 200) };
    this.#notes.push(note);
    for (const watcher of this.#watchers) {
      // A page that is gone watches nothing any more.
      watcher(note).catch(() => this.#watchers.delete(watcher));
    }
    return this.#notes.length;
  }

  async watch(watcher) {
    this.#watchers.add(watcher);
    for (const note of this.#notes) await watcher(note);
  }

  /** For as long as somebody goes on asking. */
  async *load() {
    for (;;) {
      yield loadavg()[0];
      await sleep(1000);
    }
  }
}

const library = new URL(".", import.meta.resolve("banyan/remote"));
const files = new Map([
  ["/", [new URL("index.html", import.meta.url), "text/html"]],
  ["/page.js", [new URL("page.js", import.meta.url), "text/javascript"]],
]);

function fileOf(path) {
  const inLibrary = /^\/banyan\/((?:[\w-]+\/)*[\w-]+\.js)$/.exec(path)?.[1];
  if (inLibrary !== undefined) return [new URL(inLibrary, library), "text/javascript"];
  return files.get(path);
}

async function answer(request, response) {
  try {
    const [file, type] = fileOf(new URL(request.url, "http://here").pathname);
    const content = await readFile(fileURLToPath(file));
    response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(content);
  } catch {
    response.writeHead(404).end();
  }
}

const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1");
await once(server, "listening");
const { port } = server.address();

// The pages of this very server may connect, and nobody else's. What comes by the board is copied.
const url = `ws://127.0.0.1:${port}/objects`;
await listen(url, { exports: { board: new Board() }, plain: "copy", server });
process.stdout.write(`http://127.0.0.1:${port}/\n`);
