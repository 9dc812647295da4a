import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

import type { SshOptions } from "../../src/channel/ssh.ts";

const SSHD = "/usr/sbin/sshd";
/** Where a root's sshd locks up what it does before anybody has logged in. */
const PRIVILEGE_SEPARATION = "/run/sshd";

/** Why there can be no server here, and what to do about it; `undefined` where there can. */
export function sshdMissing(): string | undefined {
  if (existsSync(SSHD)) return undefined;
  return `there is no ${SSHD}: install Debian's openssh-server, or run npm test as root, which does`;
}

export interface Sshd extends AsyncDisposable {
  /** What `dialSsh` needs to get in. */
  readonly access: Pick<SshOptions, "host" | "user" | "port" | "identity" | "config" | "settings">;
}

/** A server of the test's own: its keys, its settings and its port; the system's is not touched. */
export async function startSshd(): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), "banyan-sshd-"));
  const file = (name: string): string => join(folder, name);
  for (const key of ["host_key", "user_key"]) {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)]);
  }
  copyFileSync(file("user_key.pub"), file("authorized_keys"));
  const port = await freePort();
  const settings = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${file("host_key")}`,
    `AuthorizedKeysFile ${file("authorized_keys")}`,
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
  ];
  writeFileSync(file("sshd_config"), `${settings.join("\n")}\n`);
  writeFileSync(file("ssh_config"), "");
  if (process.getuid?.() === 0) mkdirSync(PRIVILEGE_SEPARATION, { recursive: true });
  const sshd = spawn(SSHD, ["-D", "-e", "-f", file("sshd_config")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  for await (const chunk of sshd.stderr.iterator({ destroyOnReturn: false })) {
    log += String(chunk);
    if (log.includes("Server listening")) break;
  }
  if (sshd.exitCode !== null) throw new Error(`sshd did not start: ${log}`);
  sshd.stderr.resume();
  return {
    access: {
      host: "127.0.0.1",
      user: userInfo().username,
      port,
      identity: file("user_key"),
      config: file("ssh_config"),
      settings: {
        IdentitiesOnly: "yes",
        StrictHostKeyChecking: "accept-new",
        UserKnownHostsFile: file("known_hosts"),
      },
    },
    async [Symbol.asyncDispose]() {
      const exited = once(sshd, "exit");
      sshd.kill();
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
