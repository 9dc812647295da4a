import { userInfo } from "node:os";
import { fileURLToPath } from "node:url";

export interface UnitOptions {
  readonly description: string;
  /** Where it runs: the folder of its tree. */
  readonly directory: string;
  /** What the command is given. */
  readonly args: readonly string[];
}

/** A unit file by which systemd runs this command when the machine starts, and again when it ends. */
export function systemdUnit({ description, directory, args }: UnitOptions): string {
  const command = [process.execPath, fileURLToPath(new URL("../entry/banyan.js", import.meta.url))];
  return `[Unit]
Description=${escapeSpecifiers(description)}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${[...command, ...args].map(quoted).join(" ")}
WorkingDirectory=${escapeSpecifiers(directory)}
User=${userInfo().username}
Restart=always
RestartSec=3
# The node first: it hands its jobs over, and ends what it has started.
KillMode=mixed
TimeoutStopSec=30
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`;
}

function quoted(word: string): string {
  const escaped = escapeSpecifiers(word).replaceAll("$", "$$$$");
  if (/^[\w@%+=:,./-]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll("%", "%%");
}
