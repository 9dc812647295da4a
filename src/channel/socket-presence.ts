import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";

import type { PeerPresence } from "./channel.ts";

/** Linux lists the connections here, with what the other ends have not acknowledged. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"] as const;

/** One attempt that got no answer may be bad luck. */
const MIN_ATTEMPTS = 2;

/**
 * Whether the other end of a connection still acknowledges what it is sent. Its kernel does that, or
 * that of a proxy on the way, however busy the program is. Only Linux tells.
 */
export async function socketPresence({ localPort, remotePort }: Socket): Promise<PeerPresence> {
  if (localPort === undefined || remotePort === undefined) return "gone";
  try {
    for (const table of TABLES) {
      const found = findPresence(await readFile(table, "latin1"), localPort, remotePort);
      if (found !== "unknown") return found;
    }
  } catch {
    // Another system, or a jail without /proc.
  }
  return "unknown";
}

/**
 * What a table in the format of `/proc/net/tcp` says of the connection between two ports; "unknown"
 * where it is not listed, or several are.
 */
export function findPresence(table: string, localPort: number, remotePort: number): PeerPresence {
  const lines = table.split("\n").map((line) => line.trim().split(/\s+/));
  const own = lines.filter(
    ([, local, remote]) => portOf(local) === localPort && portOf(remote) === remotePort,
  );
  const [, , , , queues = "", , retransmits = "", , probes = ""] = own[0] ?? [];
  if (own.length !== 1) return "unknown";
  const unacknowledged = Number.parseInt(queues, 16);
  const attempts = Number.parseInt(retransmits, 16) + Number.parseInt(probes, 10);
  return unacknowledged > 0 && attempts >= MIN_ATTEMPTS ? "gone" : "busy";
}

function portOf(address = ""): number {
  return Number.parseInt(address.slice(address.indexOf(":") + 1), 16);
}
