import { once } from "node:events";
import { linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { chmod, lstat, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";

/** What `sockaddr_un` holds on every system we know, without the zero at its end. */
const MAX_PATH_BYTES = process.platform === "linux" ? 107 : 103;

/** `mkdtemp` puts six characters behind the directory's; both are short because the path has to be. */
const PRIVATE_DIRECTORY = "/.";
const PRIVATE_SOCKET = "/s";

/** How often the path may change under our hands before we give up. */
const MAX_ATTEMPTS = 10;

/**
 * Makes a listening socket appear at `path`, with mode 0600, and returns what takes it away again.
 *
 * The socket is bound in a new directory that only this user can enter, and is linked to `path` when
 * it has its mode. So nobody else can connect in between, which a `chmod` after binding would allow,
 * and no umask has to be set, which would hit files that other threads make meanwhile. `link` fails
 * where something is, so that of two listeners one loses.
 *
 * @throws Error where somebody accepts at `path`, something else than a socket is there, or the path
 *   is too long
 */
export async function claimSocketPath(
  path: string,
  bindAt: (path: string) => Promise<void>,
): Promise<() => void> {
  const parent = dirname(path);
  checkLength(path, `${parent}${PRIVATE_DIRECTORY}123456${PRIVATE_SOCKET}`);
  const directory = await mkdtemp(parent + PRIVATE_DIRECTORY);
  try {
    const bound = directory + PRIVATE_SOCKET;
    await bindAt(bound);
    await chmod(bound, 0o600);
    const own = lstatSync(bound);
    await linkTo(path, bound, directory);
    return () => unlinkOwn(path, own);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function linkTo(path: string, bound: string, directory: string): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const stale = await findStale(path);
    if (stale !== undefined) moveAway(path, stale, join(directory, `old${attempt}`));
    try {
      linkSync(bound, path);
      return;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }
  throw new Error("other processes keep taking the path");
}

/** The socket at `path`, which nobody accepts on; `undefined` where there is nothing. */
async function findStale(path: string): Promise<FileIdentity | undefined> {
  const stats = await lstat(path).catch(ignoreMissing);
  if (stats === undefined) return undefined;
  if (!stats.isSocket()) throw new Error("there is a file that is no socket");
  if (await accepts(path)) throw new Error("another process accepts there");
  return stats;
}

/**
 * Moves `stale` from `path` to `aside`, and nothing else. There is no call for that, so it looks
 * before and after, and puts back what another process linked there in between. Together with the
 * `link` that follows it is synchronous: what another process would have to hit is microseconds, and
 * for it to lose its place a third one has to hit the same ones.
 */
function moveAway(path: string, stale: FileIdentity, aside: string): void {
  if (!isSame(stale, lstatSync(path, { throwIfNoEntry: false }))) return;
  try {
    renameSync(path, aside);
  } catch (error) {
    ignoreMissing(error);
    return;
  }
  if (isSame(stale, lstatSync(aside))) return;
  try {
    linkSync(aside, path);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

interface FileIdentity {
  readonly ino: number;
  readonly dev: number;
}

function isSame(one: FileIdentity, other: FileIdentity | undefined): boolean {
  return other !== undefined && one.ino === other.ino && one.dev === other.dev;
}

/** Whether somebody accepts connections on the socket at `path`. */
/** Whether somebody accepts connections at `path`. */
export async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    if (hasCode(error, "ECONNREFUSED") || hasCode(error, "ENOENT")) return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

/** Unlinks `path` where it is still the socket that was linked there. */
function unlinkOwn(path: string, own: FileIdentity): void {
  try {
    if (isSame(own, lstatSync(path, { throwIfNoEntry: false }))) unlinkSync(path);
  } catch (error) {
    ignoreMissing(error);
  }
}

function checkLength(...paths: readonly string[]): void {
  const bytes = Math.max(...paths.map((path) => Buffer.byteLength(path)));
  if (bytes <= MAX_PATH_BYTES) return;
  const over = bytes - MAX_PATH_BYTES;
  throw new Error(
    `the path is ${over} bytes too long for a socket (${MAX_PATH_BYTES} at most); use a shorter directory`,
  );
}

function ignoreMissing(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
