// What `--check` runs, and how it tells whether the answer is right.
const shows = (text) => (cell) => cell.shown === text;

export const CELLS = [
  ["const numbers = new Map([[1, 'one']])", shows("undefined")],
  ["numbers.set(2, 'two').size", shows("2")],
  ["numbers", shows("Map(2) { 1 => 'one', 2 => 'two' }")],
  ["const sep = (await import('node:path')).sep", shows("'/'")],
  ["({ sep })", shows("{ sep: '/' }")],
  ["await here.save('numbers', numbers)", shows("undefined")],
  ["nothing.there", ({ failed }) => /ReferenceError: nothing is not defined/.test(failed)],
  ["let a = =", ({ failed }) => /^cell.js:1[^]*SyntaxError/.test(failed)],
  ["function twice(n) {", ({ unfinished }) => unfinished !== undefined],
  ["function twice(n) {\n return 2 * n }; twice(4)", shows("8")],
  ["console.log('printed'); _", shows("8")],
];
