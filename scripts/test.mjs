// `npm test`: installs what is missing (also sshd and Chromium, where it may), builds, and runs every suite. Arguments go to Vitest.
import { spawnSync } from "node:child_process";

import { installPrograms } from "./apt.mjs";
import { build, install, requireNode, root } from "./prepare.mjs";

requireNode();
install();
installPrograms();
build();

const { status } = spawnSync(
  process.execPath,
  [`${root}/node_modules/vitest/vitest.mjs`, "run", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
process.exit(status ?? 1);
