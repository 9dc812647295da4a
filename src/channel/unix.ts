import { once } from "node:events";
import { createServer, type Server, Socket } from "node:net";

import { ChannelError } from "../base/errors.ts";
import type { Channel, ChannelLimits, Listener, ListenOptions } from "./channel.ts";
import type { OutletOwner, SharedDialOptions } from "./outlet.ts";
import { claimSocketPath } from "./socket-path.ts";
import { StreamChannel } from "./stream.ts";

const SCHEME = "unix:";

/** For labels only. */
let lastNumber = 0;

/**
 * Dials `unix:/path`, an absolute path taken as it stands; on Windows the named pipe that
 * `listenUnix` made of the same address.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where nobody accepts
 */
export async function dialUnix(
  address: string,
  { signal, limits, outlet }: SharedDialOptions,
): Promise<StreamChannel> {
  signal.throwIfAborted();
  const socket = outlet?.createSocket() ?? new Socket({ allowHalfOpen: true });
  socket.connect({ path: pathOf(address) });
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    const says = `nothing accepts at ${address}`;
    throw new ChannelError("CHANNEL_REFUSED", says, { cause: error });
  }
  outlet?.opened(socket);
  return overSocket(socket, address, limits, outlet);
}

/**
 * Listens on `unix:/path`. Only this user may connect, from the first moment on. A socket file that
 * nobody accepts on is replaced; closing removes the file, if it is still this listener's.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where somebody accepts there already, or the path can't be
 *   used
 */
export async function listenUnix(
  address: string,
  onChannel: (channel: Channel) => void,
  { limits }: ListenOptions = {},
): Promise<Listener> {
  const path = pathOf(address);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onChannel(overSocket(socket, address, limits));
  });
  // Accepting may fail for a while, as when there are too many files; the next attempt may not.
  server.on("error", () => {});
  const release = await bind(server, path, address);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    release();
    // Its callback would wait for the channels too, and they live on.
    server.close();
  };
  return {
    address,
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

async function bind(server: Server, path: string, address: string): Promise<() => void> {
  try {
    if (process.platform === "win32") {
      await listenOn(server, path);
      return () => {};
    }
    return await claimSocketPath(path, (bound) => listenOn(server, bound));
  } catch (error) {
    server.close();
    const says = `can't listen on ${address}: ${error instanceof Error ? error.message : String(error)}`;
    throw new ChannelError("CHANNEL_REFUSED", says, { cause: error });
  }
}

async function listenOn(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

function overSocket(
  socket: Socket,
  address: string,
  limits: Partial<ChannelLimits> | undefined,
  gate?: OutletOwner,
): StreamChannel {
  return new StreamChannel(socket, { label: `${address}#${++lastNumber}`, limits, gate });
}

/** What the system calls the address: the path itself, or on Windows a named pipe. */
function pathOf(address: string): string {
  const path = address.startsWith(SCHEME) ? address.slice(SCHEME.length) : "";
  if (process.platform === "win32") return `\\\\.\\pipe\\${path.replaceAll(/[\\/:]+/g, "-")}`;
  if (path.startsWith("/") && !path.includes("\0")) return path;
  throw new TypeError(`not an address of the form unix:/absolute/path: ${JSON.stringify(address)}`);
}
