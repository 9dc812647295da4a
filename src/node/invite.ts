import { networkInterfaces } from "node:os";

import { systemClock } from "../base/clock.ts";
import { NodeError } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { formatHostAndPort, parseHostAndPort } from "../channel/network.ts";
import { type Invite, type InviteOptions, Invites } from "../tree/users/invites.ts";
import type { Tree } from "../tree/tree.ts";
import { readHubRecord } from "./hub-record.ts";
import { formatInviteLine } from "./join.ts";
import { refuseJoined } from "./joined.ts";
import { readListening, writeListening } from "./listening.ts";
import type { NetworkAddress } from "./network-front.ts";
import type { TreePlaces } from "./tree-folder.ts";

/** A hub looks every half second where it is to listen. */
const LISTEN_MS = 10_000;
const POLL_MS = 50;

/** Where other machines reach a hub. */
export interface Reachable {
  /** `tls://host:port#fingerprint` */
  readonly url: string;
  /** Only this machine can reach it. */
  readonly isLoopback: boolean;
}

/** Invites a machine, and gives the line that it joins by. */
export async function invite(
  tree: Tree,
  { url }: Reachable,
  options: InviteOptions,
): Promise<{ line: string; invite: Invite }> {
  const made = await new Invites(tree, systemClock).add(options);
  return { line: formatInviteLine({ url, text: made.text }), invite: made.invite };
}

/**
 * Where the hub of a folder can be reached, which listens at `listen` from now on if that is given.
 *
 * @param host what other machines call this one. Default: its first address on a network
 * @throws NodeError `NODE_BAD_URL` where it does not listen, `NODE_HUB_FAILED` where it can't
 */
export async function reachableAt(
  places: TreePlaces,
  {
    listen,
    host,
    signal,
  }: {
    readonly listen?: string | undefined;
    readonly host?: string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Reachable> {
  refuseJoined(places);
  const asked = await readListening(places);
  if (listen !== undefined && !asked.includes(listen)) {
    await writeListening(places, [...asked, listen]);
  } else if (asked.length === 0) {
    const says = "the hub of this tree does not listen on the network";
    throw new NodeError("NODE_BAD_URL", `${says}; say where: --listen tls://0.0.0.0:7800`);
  }
  const address = await listening(places, listen ?? asked[0] ?? "", signal);
  const { host: bound, port } = parseHostAndPort(address.url, "tls");
  const named = host ?? (isAny(bound) ? ownAddress() : bound);
  const url = `${formatHostAndPort("tls", { host: named, port })}#${address.fingerprint}`;
  return { url, isLoopback: named.startsWith("127.") || named === "::1" };
}

/** Waits until the hub says that it listens there. */
async function listening(
  places: TreePlaces,
  wanted: string,
  signal: AbortSignal,
): Promise<NetworkAddress> {
  const { host, port } = parseHostAndPort(wanted, "tls");
  const until = systemClock.now() + LISTEN_MS;
  for (;;) {
    const record = await readHubRecord(places.hubRecord);
    for (const address of record?.listening ?? []) {
      const bound = parseHostAndPort(address.url, "tls");
      // Port 0 stands for any that is free.
      if (port === 0 ? bound.host === host : bound.port === port) return address;
    }
    if (systemClock.now() > until) {
      const says = `the hub does not listen on ${wanted}; see ${places.hubLog}`;
      throw new NodeError("NODE_HUB_FAILED", says);
    }
    await pause(POLL_MS, { signal, clock: systemClock });
  }
}

function isAny(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** What other machines are likely to reach this one by. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80"));
  const found = outside.find(({ family }) => family === "IPv4") ?? outside[0];
  return found?.address ?? "127.0.0.1";
}
