import { type CodeRoot as Root, type CodeRootOptions, openCodeRoot } from "../code/code-root.ts";
import type { CodeLibrary } from "../code/library.ts";
import type { Tree } from "../tree/tree.ts";
import { openWorkers } from "./workers.ts";

export type CodeRoot = Root;

export const CodeRoot = {
  /** Follows the code of a tree, or uses a library that does. Resolves when all is ready to be called. */
  open(source: Tree | CodeLibrary, options: CodeRootOptions = {}): Promise<Root> {
    return openCodeRoot(source, options, (workers) =>
      openWorkers({ ...workers, clock: options.clock, log: options.log }),
    );
  },
};
