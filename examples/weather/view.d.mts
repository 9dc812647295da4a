import type { Tree } from "banyan";

export class View {
  static open(tree: Tree, options: { readonly where: string }): Promise<View>;
  draw(options?: { readonly columns?: number }): string[];
}
