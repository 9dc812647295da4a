// What is run of the package; runs after tsc, on what that has written. First the programs that are one file each.
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { rolldown } from "rolldown";

import { writeChunks } from "./chunks.mjs";
import { root } from "./prepare.mjs";

/** Finds what lmdb needs: no other package has to see it. */
const OF_LMDB = 'require("node:module").createRequire(require.resolve("lmdb"))';
/** By another way than plain require(), which would lead to what stands in its place. */
const OF_US = 'require("node:module").createRequire(__filename)';
/** Names stay, for stacks. */
const COMPACT = { mangle: false, compress: false, codegen: { removeWhitespace: true } };

// What the far side of a gateway runs: it is sent to interpreters that have nothing but Node.
await bundle("gateway.js", {
  file: "gateway-far.cjs",
  format: "cjs",
  minify: COMPACT,
});

// The hub's process: it is started while others wait for it, and 130 small modules take Node 20 longer to
// load than all the rest of its start; so do the modules of lmdb. As CommonJS, it does without the loader
// of modules. In the entry's own folder, so that what is found by import.meta.url is found from there as
// well; packages that are rarely needed stay where they are.
await bundle("hub.js", { file: "hub.cjs", format: "cjs" });
await bundle("hub-program.js", {
  file: "hub-program.cjs",
  format: "cjs",
  // Half as much to be read and compiled.
  minify: COMPACT,
  plugins: [
    lmdbInside(),
    // Only a store of other than bytes would need it.
    requiredLate("msgpackr", ["Encoder"], OF_LMDB),
    // It evaluates, and where that is done nothing can be told of the names around it.
    required("ordered-binary", OF_LMDB),
    // For hubs that listen for other machines.
    requiredLate("node:tls", ["connect", "createServer"]),
    // Not by import(): that fails in what was compiled before, see code-cache.ts.
    requiredLate("selfsigned", ["generate"]),
  ],
});

await writeChunks();

/** The JavaScript of lmdb becomes part of the bundle, and finds its native part where the package is. */
function lmdbInside() {
  const file = createRequire(import.meta.url).resolve("lmdb");
  const own = /new \(require\('u' \+ 'rl'\)\.URL\)\('file:' \+ __filename\)\.href/g;
  const there = "require('node:url').pathToFileURL(require.resolve('lmdb')).href";
  return {
    name: "lmdb inside",
    resolveId: (source) => (source === "lmdb" ? file : undefined),
    transform: (code, id) => {
      if (id !== file) return undefined;
      const [count, changed] = [code.match(own)?.length, code.replaceAll(own, there)];
      if (count !== 3) throw new Error("lmdb looks for its files in another way than it did");
      return changed;
    },
  };
}

/** A package that stays where it is. */
function required(id, from) {
  return virtual(id, `module.exports = ${from}(${JSON.stringify(id)});`);
}

/** Functions of a package that is loaded with the first call. */
function requiredLate(id, names, from = OF_US) {
  const late = names.map((name) => {
    const of = `${from}(${JSON.stringify(id)}).${name}`;
    return `exports.${name} = function (...given) { return new.target ? new (${of})(...given) : ${of}(...given); };`;
  });
  return virtual(id, late.join("\n"));
}

/** A CommonJS module of this text in the place of `id`. */
function virtual(id, text) {
  const own = `\0${id}`;
  return {
    name: `instead of ${id}`,
    resolveId: (source, importer) => {
      if (source !== id) return undefined;
      return importer === own ? { id, external: true } : own;
    },
    load: (source) => (source === own ? { code: text, moduleType: "js" } : undefined),
  };
}

async function bundle(entry, { file, external = [], plugins = [], ...output }) {
  const input = `${root}/build/entry/${entry}`;
  const written = `${root}/build/entry/${file}`;
  const program = await rolldown({ input, external, plugins, platform: "node", logLevel: "warn" });
  await program.write({ file: written, codeSplitting: false, ...output });
  await program.close();
  const imports = /\bimport\s*\(/.exec(readFileSync(written, "utf8"));
  if (file === "hub-program.cjs" && imports !== null) throw new Error(`${file} has an import()`);
  mkdirSync(`${root}/dist/entry`, { recursive: true });
  copyFileSync(written, `${root}/dist/entry/${file}`);
}
