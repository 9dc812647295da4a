import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

import { open, type Tree } from "banyan";
import { expect, vi } from "vitest";

import { systemClock } from "../../src/base/clock.ts";
import { pause } from "../../src/base/pause.ts";

export const PASSWORD = "correct horse battery";
export const ROOT = { user: "root", password: PASSWORD };

interface ListeningTree extends AsyncDisposable {
  /** As whoever owns the folder sees it. */
  readonly local: Tree;
  /** Of the present hub. */
  readonly address: () => string;
}

/** A tree whose hubs listen on the network, with the user ROOT. */
export async function listeningTree(folder: string): Promise<ListeningTree> {
  const local = await open(folder, { create: true });
  await local.users.add(ROOT.user, { roles: ["admin"], password: PASSWORD });
  listenAt(folder, "tls://127.0.0.1:0");
  await vi.waitFor(() => expect(addressOf(folder)).toBeDefined(), {
    timeout: 30_000,
    interval: 20,
  });
  return {
    local,
    address: () => addressOf(folder) as string,
    [Symbol.asyncDispose]: () => local.close(),
  };
}

export function listenAt(folder: string, ...listen: string[]): void {
  writeFileSync(join(folder, ".banyan/listen.json"), JSON.stringify({ listen }));
}

export function addressOf(folder: string): string | undefined {
  let record: { listening?: { url: string; fingerprint: string }[] };
  try {
    record = JSON.parse(readFileSync(join(folder, ".banyan/hub.json"), "utf8")) as typeof record;
  } catch {
    // There is none while one hub goes and another comes.
    return undefined;
  }
  const { listening } = record;
  return listening?.[0] && `${listening[0].url}#${listening[0].fingerprint}`;
}

/** Somebody on the way who reads all of it; `onPiece` hears of each piece before it goes on. */
export async function tap(
  to: string,
  onPiece: (count: number) => void = () => {},
): Promise<{ address: string; seen: Buffer[] } & AsyncDisposable> {
  const { hostname, port, hash } = new URL(to.replace("tls:", "http:"));
  const seen: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      // prettier-ignore
      sockets.add(from);
      from.on("data", (chunk: Buffer) => {
        onPiece(seen.push(chunk));
        into.write(chunk);
      });
      from.on("close", () => into.destroy());
      from.on("error", () => {});
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = `tls://127.0.0.1:${(server.address() as AddressInfo).port}${hash}`;
  return {
    address,
    seen,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** How often a piece that passes a wire comes late, or breaks it: from 0 to 1. */
interface Disturbance {
  readonly delayed: number;
  readonly broken: number;
}

/** The way to a hub, which can be cut, and can be a bad one. */
export class Wire implements AsyncDisposable {
  /** How many connections a disturbance broke. */
  broken = 0;
  readonly #to: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #disturbance: (Disturbance & { readonly random: () => number }) | undefined;

  private constructor(to: string) {
    this.#to = new URL(to.replace("tls:", "http:"));
    this.#server = createServer((near) => this.#join(near));
  }

  static async open(to: string): Promise<Wire> {
    const wire = new Wire(to);
    await new Promise<void>((done) => wire.#server.listen(0, "127.0.0.1", done));
    return wire;
  }

  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `tls://127.0.0.1:${port}${this.#to.hash}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#isCut = false;
  }

  disturb(random: () => number, disturbance: Disturbance): void {
    this.#disturbance = { random, ...disturbance };
  }

  calm(): void {
    this.#disturbance = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket): void {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(this.#to.port), this.#to.hostname);
    this.#carry(near, far);
    this.#carry(far, near);
  }

  /** In order, whatever comes late. */
  #carry(from: Socket, into: Socket): void {
    this.#sockets.add(from);
    let sent = Promise.resolve();
    from.on("data", (piece: Buffer) => {
      const { random = Math.random, delayed = 0, broken = 0 } = this.#disturbance ?? {};
      if (random() < broken) {
        this.broken += 1;
        from.destroy();
        into.destroy();
        return;
      }
      const lateMs = random() < delayed ? random() * 20 : 0;
      sent = sent
        .then(() => (lateMs === 0 ? undefined : pause(lateMs, { clock: systemClock })))
        .then(() => void into.write(piece));
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      into.destroy();
    });
    from.on("error", () => {});
  }
}
