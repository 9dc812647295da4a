// The package itself: its entries, and what they share in chunks. Runs after tsc, on what that has written.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

import { parse } from "es-module-lexer";
import { rolldown } from "rolldown";

import { root } from "./prepare.mjs";

/** What users import by a name of the package. */
const EXPORTED = ["index", "remote", "remote-browser", "gateway"];
/** Those whose file is theirs alone; gateways and the hub have bundles of their own. */
const ENTRIES = [
  "testing/index",
  ...["banyan", "examine", "io", "keep", "lane", "load", "pool", "rules"].map(
    (name) => `entry/${name}`,
  ),
];

/**
 * What of `banyan` itself is in one file: what one of each of these entries needs of it, but for what is in a file
 * before. Node takes 60 kB for each file that it loads, and where there are many, V8 optimizes its loader, which
 * takes 5 MB.
 */
const SHARED = [
  ["base", ["remote-browser"], ["entry/io", "channel/unix"]],
  ["stream", ["entry/io", "channel/unix"]],
  ["session", ["remote-browser"]],
  ["channel", ["remote", "gateway", "entry/io", "entry/lane", "entry/pool", "entry/rules"]],
  ["tree", ["index"]],
];

/**
 * Bundles the entries into dist/. Each module is in one file only, whoever imports it, so that classes and
 * tables are the same in all of them. Removes what an older build has left there.
 */
export async function writeChunks() {
  const ofBanyan = reach(["index"]);
  const groups = SHARED.map(([name, ...parts], i) => {
    const needed = [ofBanyan, ...parts.map(reach)];
    const test = (id) => needed.every((part) => part.has(id));
    return { name, priority: SHARED.length - i, test };
  });
  const program = await rolldown({
    input: {
      ...Object.fromEntries(ENTRIES.map((name) => [name, `${root}/build/${name}.js`])),
      // In a folder, too: what looks for files by its own place finds them from any folder, and from no other place.
      ...Object.fromEntries(EXPORTED.map((name) => [`shared/${name}`, `${root}/build/${name}.js`])),
    },
    // Helpers of down-levelled `using` become part of it; every other package stays where it is.
    external: (id) => /^[^./\0]/u.test(id) && id !== "tslib",
    platform: "node",
    logLevel: "warn",
    plugins: [helpersInside(), sourcesOf()],
  });
  const { output } = await program.write({
    dir: `${root}/dist`,
    format: "esm",
    sourcemap: true,
    // They are in the sources, which the package has, too; V8 would keep them in memory.
    comments: false,
    entryFileNames: "[name].js",
    chunkFileNames: "shared/[name].js",
    codeSplitting: { groups },
  });
  await program.close();
  for (const chunk of output) if (chunk.type === "chunk") checkPlace(chunk);
  for (const name of EXPORTED) {
    writeFileSync(`${root}/dist/${name}.js`, `export * from "./shared/${name}.js";\n`);
  }
  sweep(
    new Set([...output.map(({ fileName }) => fileName), ...EXPORTED.map((name) => `${name}.js`)]),
  );
}

/** The modules that are loaded with these. */
function reach(entries) {
  const found = new Set(entries.map((name) => `${root}/build/${name}.js`));
  for (const file of found) {
    for (const { type, specifier } of parse(readFileSync(file, "utf8"))[0]) {
      if (type !== "dynamic" && specifier?.startsWith("."))
        found.add(join(dirname(file), specifier));
    }
  }
  return found;
}

/** The helpers as a module: that of Node's kind is CommonJS, of which Node 20 has to find the exports first. */
function helpersInside() {
  const file = `${root}/node_modules/tslib/tslib.es6.mjs`;
  return { name: "helpers inside", resolveId: (id) => (id === "tslib" ? file : undefined) };
}

/** Stacks can be followed to the sources. */
function sourcesOf() {
  return {
    name: "source maps of tsc",
    load: (id) => {
      if (!id.startsWith(`${root}/build/`) || !existsSync(`${id}.map`)) return undefined;
      const map = JSON.parse(readFileSync(`${id}.map`, "utf8"));
      map.sources = map.sources.map((source) => join(dirname(id), source));
      return { code: readFileSync(id, "utf8"), map };
    },
  };
}

/** What looks for files beside its own must be as deep as it was. */
function checkPlace({ fileName, modules }) {
  const depth = (name) => name.split("/").length;
  for (const [id, { code }] of Object.entries(modules)) {
    if (code === null || !/new URL\([^()]*import\.meta\.url/u.test(code)) continue;
    const was = relative(`${root}/build`, id);
    if (depth(was) !== depth(fileName)) {
      throw new Error(`${was} finds its files by its own place, and is in ${fileName} now`);
    }
  }
}

/** Removes programs that this build has not written, and types of modules that there are no more. */
function sweep(written) {
  const dist = `${root}/dist`;
  for (const name of readdirSync(dist, { recursive: true })) {
    const [, stem, kind] = /^(.*?)(\.d\.ts|\.js)(?:\.map)?$/u.exec(name) ?? [];
    const isCurrent =
      kind === undefined ||
      basename(name).endsWith(".cjs") ||
      (kind === ".js" ? written.has(name) : existsSync(`${root}/src/${stem}.ts`));
    if (!isCurrent) rmSync(join(dist, name));
  }
}
