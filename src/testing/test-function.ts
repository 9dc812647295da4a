/** How a suite declares one test: `test` of vitest, `node:test`, Jest. */
export type TestFunction = (name: string, run: () => Promise<void>) => void;
