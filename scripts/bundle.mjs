// Programs that are one file each; runs after tsc, on what that has written.
import { renameSync, rmSync } from "node:fs";

import { rolldown } from "rolldown";

import { root } from "./prepare.mjs";

// What the far side of a gateway runs: it is sent to interpreters that have nothing but Node.
await bundle("gateway.js", {
  file: "gateway-far.cjs",
  format: "cjs",
  // Names stay, for stacks.
  minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
});

// The hub's process: it is started while others wait for it, and 130 small modules take Node 20 longer to
// load than all the rest of its start. In the entry's own folder, so that what is found by import.meta.url
// is found from there as well; packages with native parts, or rarely needed, stay where they are.
await bundle("hub.js", {
  file: "hub.whole.js",
  format: "esm",
  external: ["lmdb", "ws", "selfsigned"],
});
renameSync(`${root}/dist/entry/hub.whole.js`, `${root}/dist/entry/hub.js`);
// It is of the file that was there before.
rmSync(`${root}/dist/entry/hub.js.map`, { force: true });

async function bundle(entry, { file, external = [], ...output }) {
  const input = `${root}/dist/entry/${entry}`;
  const program = await rolldown({ input, external, platform: "node", logLevel: "warn" });
  await program.write({ file: `${root}/dist/entry/${file}`, codeSplitting: false, ...output });
  await program.close();
}
