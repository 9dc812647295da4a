// Programs that some suites talk to and that npm can't bring: from Debian, where this user may install
// them. Whoever can't is told by the suite that it is skipped.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

const WANTED = [
  { program: "/usr/sbin/sshd", package: "openssh-server" },
  { program: "/usr/bin/chromium", package: "chromium" },
];

const UPDATE_MS = 120_000;
const INSTALL_MS = 600_000;

/** Where Debian asks whether a service may start. A server for a test is no service. */
const POLICY = "/usr/sbin/policy-rc.d";

export function installPrograms() {
  const missing = WANTED.filter(({ program }) => !existsSync(program));
  if (missing.length === 0) return;
  const names = missing.map((wanted) => wanted.package);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    process.stderr.write(`not installed, because that takes root and apt: ${names.join(", ")}\n`);
    return;
  }
  process.stderr.write(`installing ${names.join(", ")} ...\n`);
  const isOurs = !existsSync(POLICY);
  if (isOurs) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt(["update", "-qq"], UPDATE_MS);
    apt(["install", "-y", "-qq", "--no-install-recommends", ...names], INSTALL_MS);
  } finally {
    if (isOurs) rmSync(POLICY);
  }
}

function apt(args, timeout) {
  const { status, error } = spawnSync("apt-get", args, {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "inherit"],
    timeout,
  });
  if (status !== 0) process.stderr.write(`apt-get ${args[0]} failed: ${error ?? status}\n`);
}
