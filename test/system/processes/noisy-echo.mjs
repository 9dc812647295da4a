/* oxlint-disable no-console */
// Answers each message over the channel, and writes to its standard output by every means there is.
import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , build, ...args] = process.argv;
const { stdioChannel } = await import(pathToFileURL(`${build}/channel/child.js`).href);
const fd = args.length === 0 ? undefined : Number(args[0]);
const channel = stdioChannel({ read: fd, write: fd });
channel.receive((message) => {
  console.log("logged");
  process.stdout.write("written\n");
  writeSync(1, "raw\n");
  spawnSync("sh", ["-c", "echo inherited"], { stdio: "inherit" });
  channel.send(message);
  const [order] = message;
  if (order === 1) void channel.close();
  if (order === 2) setImmediate(() => process.exit(3));
  // What it leaves behind has the pipes open still.
  if (order === 3) spawnSync("sh", ["-c", "sleep 60 & echo $!"], { stdio: "inherit" });
});
void channel.closed.then((error) => console.log("closed", error?.code ?? "in order"));
