import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { type AddressInfo, BlockList, isIPv6, type Server, type Socket } from "node:net";

import { ChannelError } from "../base/errors.ts";
import type { Listener, ListenOptions } from "./channel.ts";

/** What every listener takes that other machines could reach. */
export interface NetworkListenOptions extends ListenOptions {
  /** Allows an address that is not this machine's loopback. Whoever reaches it may then connect. */
  readonly public?: boolean | undefined;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK_HOST = "127.0.0.1";
const MAX_PORT = 65_535;
const ADDRESS =
  /^(?<scheme>[a-z]+):\/\/(?:\[(?<six>[0-9a-f:.]+)\]|(?<name>[^\s:/?#@[\]]*)):(?<port>\d{1,5})\/?$/i;

/** How long nothing comes before the kernel asks the peer's whether it is there. */
const KEEP_ALIVE_MS = 30_000;

/** @throws TypeError where the address is not `scheme://host:port` */
export function parseHostAndPort(address: string, scheme: string): HostAndPort {
  const parts = ADDRESS.exec(address)?.groups;
  const port = Number(parts?.["port"]);
  if (parts?.["scheme"]?.toLowerCase() !== scheme || port > MAX_PORT) {
    const form = `${scheme}://host:port`;
    throw new TypeError(`not an address of the form ${form}: ${JSON.stringify(address)}`);
  }
  return { host: parts["six"] ?? (parts["name"] || LOOPBACK_HOST), port };
}

export function formatHostAndPort(scheme: string, { host, port }: HostAndPort): string {
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Sends what there is at once, and lets the kernel look for a peer that is gone. */
export function prepareSocket(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

/** @throws ChannelError `CHANNEL_REFUSED`; the signal's reason */
export async function untilOpen(
  socket: Socket,
  event: "connect" | "secureConnect",
  { address, signal }: { readonly address: string; readonly signal: AbortSignal },
): Promise<void> {
  try {
    await once(socket, event, { signal });
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw refused(`nothing accepts at ${address}`, error);
  }
}

/**
 * Binds `server` where only this machine reaches it, unless more is asked for: the name is looked up
 * here, so that what was checked is what is bound. Answers with the address that was bound.
 *
 * @throws ChannelError `CHANNEL_REFUSED`
 */
export async function bindServer(
  server: Server,
  address: string,
  where: HostAndPort,
  options: NetworkListenOptions,
): Promise<HostAndPort> {
  try {
    const found = await lookup(where.host);
    if (options.public !== true && !isLoopback(found.address)) {
      throw new Error(
        `${found.address} can be reached from other machines; pass { public: true } if that is meant`,
      );
    }
    server.listen({ host: found.address, port: where.port });
    await once(server, "listening");
    // Accepting may fail for a while, as when there are too many files; the next attempt may not.
    server.on("error", () => {});
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  } catch (error) {
    server.close();
    const why = error instanceof Error ? error.message : String(error);
    throw refused(`can't listen on ${address}: ${why}`, error);
  }
}

/** A listener whose channels live on when it closes. */
export function serverListener(server: { close(): unknown }, address: string): Listener {
  // Its callback would wait for the channels.
  const close = async (): Promise<void> => void server.close();
  return { address, close, [Symbol.asyncDispose]: close };
}

export function refused(says: string, cause?: unknown): ChannelError {
  return new ChannelError("CHANNEL_REFUSED", says, { cause });
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
