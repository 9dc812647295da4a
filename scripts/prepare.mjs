// Makes a fresh clone ready: dependencies as the lock file says, then the build. Plain JavaScript with
// no dependency, because it runs before there are any.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the project's folder; its output goes to stderr, so that stdout stays data. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (error) throw error;
  if (status !== 0) {
    process.stderr.write(`\n${command} ${args.join(" ")} failed with exit code ${status}\n`);
    process.exit(1);
  }
}

export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  process.stderr.write(
    `Banyan needs Node 20.19 or newer; this is ${process.version}. See https://nodejs.org\n`,
  );
  process.exit(1);
}

export function install() {
  const lock = `${root}/package-lock.json`;
  const installed = `${root}/node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  process.stderr.write("installing dependencies ...\n");
  // Not `npm ci`: it refuses a lock file that lacks the binaries of platforms which were not to be had
  // when it was written, although no machine but theirs would install them.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
}

export function build() {
  process.stderr.write("building ...\n");
  run("npm", ["run", "--silent", "build"]);
}

export function version() {
  return JSON.parse(readFileSync(`${root}/package.json`, "utf8")).version;
}
