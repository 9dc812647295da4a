// Puts what the far side of a gateway runs into one file, dist/entry/gateway-far.cjs: it is sent to
// interpreters that have nothing but Node. Runs after tsc, on what that has written.
import { rolldown } from "rolldown";

import { root } from "./prepare.mjs";

const bundle = await rolldown({
  input: `${root}/dist/entry/gateway.js`,
  platform: "node",
  logLevel: "warn",
});
await bundle.write({
  file: `${root}/dist/entry/gateway-far.cjs`,
  format: "cjs",
  codeSplitting: false,
  // Names stay, for stacks.
  minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
});
await bundle.close();
