// Programs that are one file each; runs after tsc, on what that has written.
import { renameSync, rmSync } from "node:fs";

import { rolldown } from "rolldown";

import { root } from "./prepare.mjs";

/** Names stay, for stacks. */
const COMPACT = { mangle: false, compress: false, codegen: { removeWhitespace: true } };

// What the far side of a gateway runs: it is sent to interpreters that have nothing but Node.
await bundle("gateway.js", {
  file: "gateway-far.cjs",
  format: "cjs",
  minify: COMPACT,
});

// The hub's process: it is started while others wait for it, and 130 small modules take Node 20 longer to
// load than all the rest of its start. In the entry's own folder, so that what is found by import.meta.url
// is found from there as well; packages with native parts, or rarely needed, stay where they are.
await bundle("hub.js", {
  file: "hub.whole.js",
  format: "esm",
  // Half as much to be read and compiled.
  minify: COMPACT,
  external: ["ws", "selfsigned"],
  plugins: [
    // As CommonJS it is one file, and takes half the time of its modules.
    required("lmdb", ["open", "ABORT", "nativeAddon"]),
    // For hubs that listen for other machines.
    requiredLate("node:tls", ["connect", "createServer"]),
  ],
});
renameSync(`${root}/dist/entry/hub.whole.js`, `${root}/dist/entry/hub.js`);
// It is of the file that was there before.
rmSync(`${root}/dist/entry/hub.js.map`, { force: true });

/** What `names` of a package come from `require`. */
function required(id, names) {
  const load = `createRequire(import.meta.url)(${JSON.stringify(id)})`;
  return virtual(id, `export const { ${names.join(", ")} } = ${load};`);
}

/** Functions of a package that is loaded with the first call. */
function requiredLate(id, names) {
  const load = `createRequire(import.meta.url)(${JSON.stringify(id)})`;
  const late = names.map(
    (name) => `export const ${name} = (...given) => ${load}.${name}(...given);`,
  );
  return virtual(id, late.join("\n"));
}

/** A module of this text in the place of `id`. */
function virtual(id, text) {
  const own = `\0${id}`;
  return {
    name: `instead of ${id}`,
    resolveId: (source) => (source === id ? own : undefined),
    load: (source) =>
      source === own ? `import { createRequire } from "node:module";\n${text}` : undefined,
  };
}

async function bundle(entry, { file, external = [], plugins = [], ...output }) {
  const input = `${root}/dist/entry/${entry}`;
  const program = await rolldown({ input, external, plugins, platform: "node", logLevel: "warn" });
  await program.write({ file: `${root}/dist/entry/${file}`, codeSplitting: false, ...output });
  await program.close();
}
