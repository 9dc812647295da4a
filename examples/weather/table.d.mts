import type { Tree } from "banyan";

export function tableOf(tree: Tree): Promise<string>;
export function difference(expected: string, actual: string): string[];
