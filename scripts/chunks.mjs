// The package itself: its entries, and what they share. Runs after tsc, on what that has written.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { parse } from "es-module-lexer";
import { rolldown } from "rolldown";

import { root } from "./prepare.mjs";

const BUILD = `${root}/build`;
const DIST = `${root}/dist`;

/** What users import by a name of the package. */
const EXPORTED = ["index", "remote", "remote-browser", "gateway"];
/** What else is a file of its own; gateways and the hub have bundles of their own. */
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
  const ofBanyan = reach(BUILD, ["index"]);
  const groups = SHARED.map(([name, ...parts], i) => {
    const needed = [ofBanyan, ...parts.map((entries) => reach(BUILD, entries))];
    const test = (id) => needed.every((part) => part.has(id));
    return { name, priority: SHARED.length - i, test };
  });
  const program = await rolldown({
    input: {
      ...Object.fromEntries(ENTRIES.map((name) => [name, `${BUILD}/${name}.js`])),
      // In a folder, too: what looks for files by its own place finds them from any folder, and only from one.
      ...Object.fromEntries(EXPORTED.map((name) => [`shared/${name}`, `${BUILD}/${name}.js`])),
    },
    // Helpers of down-levelled `using` become part of it; every other package stays where it is.
    external: (id) => /^[^./\0]/u.test(id) && id !== "tslib",
    platform: "node",
    logLevel: "warn",
    plugins: [helpersInside(), sourcesOf()],
  });
  const { output } = await program.write({
    dir: DIST,
    format: "esm",
    sourcemap: true,
    // They are in the sources, which the package has, too; V8 would keep them in memory.
    comments: false,
    entryFileNames: "[name].js",
    chunkFileNames: "shared/[name].js",
    codeSplitting: { groups },
  });
  await program.close();
  for (const name of EXPORTED) {
    writeFileSync(`${DIST}/${name}.js`, `export * from "./shared/${name}.js";\n`);
  }
  for (const chunk of output) if (chunk.type === "chunk") checkPlace(chunk);
  checkBrowser();
  const written = [
    ...output.map(({ fileName }) => fileName),
    ...EXPORTED.map((name) => `${name}.js`),
  ];
  sweep(new Set(written));
}

/** The files that are loaded with these. */
function reach(folder, entries) {
  const found = new Set(entries.map((name) => `${folder}/${name}.js`));
  for (const file of found) {
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith(".")) found.add(join(dirname(file), specifier));
    }
  }
  return found;
}

/** What a file imports at once. */
function importsOf(file) {
  return parse(readFileSync(file, "utf8"))[0]
    .filter(({ type, specifier }) => type !== "dynamic" && typeof specifier === "string")
    .map(({ specifier }) => specifier);
}

/** The helpers as a module: those that Node would load are CommonJS, and to find what that exports takes 5 MB. */
function helpersInside() {
  const file = `${root}/node_modules/tslib/tslib.es6.mjs`;
  return { name: "helpers inside", resolveId: (id) => (id === "tslib" ? file : undefined) };
}

/** Stacks can be followed to the sources. */
function sourcesOf() {
  return {
    name: "source maps of tsc",
    load: (id) => {
      if (!id.startsWith(`${BUILD}/`) || !existsSync(`${id}.map`)) return undefined;
      const map = JSON.parse(readFileSync(`${id}.map`, "utf8"));
      map.sources = map.sources.map((source) => join(dirname(id), source));
      return { code: readFileSync(id, "utf8"), map };
    },
  };
}

/** What looks for files by its own place was in a folder, and must be in one. */
function checkPlace({ fileName, modules }) {
  const inFolder = /^[^/]+\/[^/]+$/u;
  for (const [id, { code }] of Object.entries(modules)) {
    if (code === null || !/new URL\([^()]*import\.meta\.url/u.test(code)) continue;
    const was = relative(BUILD, id);
    if (!inFolder.test(was) || !inFolder.test(fileName)) {
      throw new Error(`${was} looks for files by its own place, and is in ${fileName} now`);
    }
  }
}

/** Pages have nothing but what a server gives them. */
function checkBrowser() {
  for (const file of reach(DIST, ["remote-browser"])) {
    const foreign = importsOf(file).find((specifier) => !specifier.startsWith("."));
    if (foreign !== undefined) throw new Error(`${file} is for browsers, and imports ${foreign}`);
  }
}

/** Removes programs that this build has not written, and types of modules that there are no more. */
function sweep(written) {
  for (const name of readdirSync(DIST, { recursive: true })) {
    const [, stem, kind] = /^(.*?)(\.d\.ts|\.js)(?:\.map)?$/u.exec(name) ?? [];
    if (kind === undefined) continue;
    const isCurrent = kind === ".js" ? written.has(name) : existsSync(`${root}/src/${stem}.ts`);
    if (!isCurrent) rmSync(join(DIST, name));
  }
}
