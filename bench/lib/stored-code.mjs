// What is stored and called by the bench of code.

/** Twenty small functions, different for each `seed`, so that no cache of compiled text helps. */
export function moduleText(seed, importing) {
  const functions = Array.from(
    { length: 20 },
    (_, i) =>
      `export function f${i}(x: string): { r: number; name: string } | null {\n` +
      `  let r: number = ${seed};\n` +
      `  for (let j = 0; j < x.length; j++) r += x.charCodeAt(j) * ${i};\n` +
      `  return r ? { r, name: "f${i}" } : null;\n}`,
  );
  const head =
    importing === undefined ? "const below = 0;" : `import { depth as below } from "${importing}";`;
  return [head, ...functions, "export const depth: number = below + 1;"].join("\n");
}

/** The same functions as plain JavaScript in a body, for the engine alone. */
export function plainText(seed) {
  return moduleText(seed)
    .replaceAll("(x: string): { r: number; name: string } | null", "(x)")
    .replaceAll(": number", "")
    .replaceAll("export ", "")
    .concat("\nreturn depth;");
}
