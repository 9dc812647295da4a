import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

import { open, type Tree } from "banyan";
import { expect, vi } from "vitest";

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
  await vi.waitFor(() => expect(addressOf(folder)).toBeDefined(), { timeout: 5_000, interval: 20 });
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
  const file = join(folder, ".banyan/hub.json");
  if (!existsSync(file)) return undefined;
  const { listening } = JSON.parse(readFileSync(file, "utf8")) as {
    listening?: { url: string; fingerprint: string }[];
  };
  return listening?.[0] && `${listening[0].url}#${listening[0].fingerprint}`;
}

/** Somebody on the way who reads all of it. */
export async function tap(
  to: string,
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
      from.on("data", (chunk: Buffer) => (seen.push(chunk), into.write(chunk)));
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
