// A Redis of its own on a unix socket, and the least a client of it can be: commands of one turn leave in one
// write, as clients with auto-pipelining do, and replies come back in order. Only what the bench asks for.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { keep } from "./measure.mjs";

/** How often a server that keeps its commands waits for the disk; it is reached over TCP, as most are. */
export const FSYNC = ["everysec", "always"];

/** Starts a server that keeps nothing, or its commands in a file, with `fsync`; resolves with its process and socket, or undefined where there is none. */
export async function startRedis(folder, fsync) {
  const socket = join(folder, "redis.sock");
  const port = fsync === undefined ? 0 : await freePort();
  const kept = fsync === undefined ? ["no"] : ["yes", "--appendfsync", fsync, "--dir", folder];
  const places = ["--port", `${port}`, "--unixsocket", socket];
  const args = [...places, "--save", "", "--appendonly", ...kept];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const failed = once(child, "error").then(() => true);
  failed.catch(() => {});
  keep(child);
  for (let i = 0; i < 200 && !existsSync(socket); i++) {
    if (await Promise.race([failed, pause(20, false)])) return undefined;
  }
  return existsSync(socket) ? { child, socket, port } : undefined;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** `onPush` gets what comes without having been asked for. */
export async function openRedis(socket, onPush) {
  const connection = connect(socket);
  await once(connection, "connect");
  const waiting = [];
  let head = 0;
  let rest = Buffer.alloc(0);
  let out = "";
  const send = (text) =>
    new Promise((resolve) => {
      if (out === "") process.nextTick(flush);
      out += text;
      waiting.push(resolve);
    });
  const flush = () => {
    connection.write(out, "latin1");
    out = "";
  };
  connection.on("data", (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let reply = replyAt(rest, at); reply !== undefined; reply = replyAt(rest, at)) {
      at = reply.end;
      if (head === waiting.length) {
        onPush(reply.value);
        continue;
      }
      waiting[head++](reply.value);
      if (head === 1024) {
        waiting.splice(0, head);
        head = 0;
      }
    }
    rest = rest.subarray(at);
  });
  return { call: (...words) => send(commandOf(words)), end: () => connection.destroy() };
}

function commandOf(words) {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

/** The reply that begins there; undefined where not all of it has come. */
function replyAt(bytes, at) {
  const line = bytes.indexOf("\r\n", at, "latin1");
  if (at >= bytes.length || line < 0) return undefined;
  const kind = bytes[at];
  const head = bytes.latin1Slice(at + 1, line);
  if (kind === 0x24) {
    const size = Number(head);
    if (size < 0) return { value: undefined, end: line + 2 };
    if (bytes.length < line + 4 + size) return undefined;
    return { value: bytes.latin1Slice(line + 2, line + 2 + size), end: line + 4 + size };
  }
  if (kind === 0x2a) {
    const items = [];
    let end = line + 2;
    for (let i = 0; i < Number(head); i++) {
      const item = replyAt(bytes, end);
      if (item === undefined) return undefined;
      items.push(item.value);
      end = item.end;
    }
    return { value: items, end };
  }
  if (kind === 0x2d) throw new Error(head);
  return { value: head, end: line + 2 };
}
