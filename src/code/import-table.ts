import type { ImportAttribute, Literal, ModuleDeclaration, Program } from "acorn";

import { BanyanError } from "../base/errors.ts";
import { codeErrorAt, placeAt, type CodeOrigin } from "./code-frame.ts";
import { moduleOfSpecifier } from "./specifier.ts";
import type { Place, UnitImport } from "./unit.ts";

/** What a local name of the importing code stands for. */
export interface ImportedName {
  /** Which import. */
  readonly index: number;
  /** The export's name; `undefined` for the whole namespace. */
  readonly name: string | undefined;
}

/** Collects what a unit imports, each thing once however many statements name it. */
export class ImportTable {
  readonly #origin: CodeOrigin;
  readonly #found = new Map<string, UnitImport & { names: (Place & { name: string })[] }>();
  /** Local names that stand for imports. */
  readonly locals = new Map<string, ImportedName>();

  constructor(origin: CodeOrigin) {
    this.#origin = origin;
  }

  /** @throws CodeError `CODE_SYNTAX`, `CODE_UNSUPPORTED` */
  static of(ast: Program, origin: CodeOrigin): ImportTable {
    const table = new ImportTable(origin);
    for (const node of ast.body) {
      if (node.type !== "ImportDeclaration") continue;
      const index = table.add(node, node.source, node.attributes);
      for (const specifier of node.specifiers) {
        const name =
          specifier.type === "ImportDefaultSpecifier"
            ? "default"
            : specifier.type === "ImportSpecifier"
              ? exportedName(specifier.imported)
              : undefined;
        if (name !== undefined) table.addName(index, name, specifier.start);
        table.locals.set(specifier.local.name, { index, name });
      }
    }
    return table;
  }

  /** Takes up what one statement imports, or re-exports, and gives its index. */
  add(
    statement: Pick<ModuleDeclaration, "start">,
    source: Literal,
    attributes: readonly ImportAttribute[],
  ): number {
    const spec = source.value as string;
    const place = placeAt(this.#origin.text, statement.start);
    const json = this.#isJson(attributes);
    const id = `${json ? "json" : "code"} ${spec}`;
    const index = [...this.#found.keys()].indexOf(id);
    if (index >= 0) return index;
    const module = this.#module(spec, place);
    this.#found.set(id, { spec, module, json, names: [], place });
    return this.#found.size - 1;
  }

  /** Notes that export `name` of the import must exist. */
  addName(index: number, name: string, start: number): void {
    const names = [...this.#found.values()][index]?.names;
    if (names === undefined || names.some((known) => known.name === name)) return;
    names.push({ name, ...placeAt(this.#origin.text, start) });
  }

  get imports(): readonly UnitImport[] {
    return [...this.#found.values()];
  }

  #module(spec: string, place: Place): string | null {
    try {
      return moduleOfSpecifier(spec, this.#origin.name) ?? null;
    } catch (cause) {
      if (!BanyanError.is(cause)) throw cause;
      const reason = `"${spec}" names no module: ${cause.message}`;
      throw codeErrorAt("CODE_SYNTAX", reason, this.#origin, { ...place, cause });
    }
  }

  #isJson(attributes: readonly ImportAttribute[]): boolean {
    for (const { key, value, start } of attributes) {
      const name = key.type === "Identifier" ? key.name : key.value;
      if (name === "type" && value.value === "json") continue;
      const place = placeAt(this.#origin.text, start);
      const reason = 'the only import attribute is type: "json"';
      throw codeErrorAt("CODE_UNSUPPORTED", reason, this.#origin, place);
    }
    return attributes.length > 0;
  }
}

/** The name in `import { x }`, `export { "a-b" as x }`. */
export function exportedName(node: { readonly type: string }): string {
  return node.type === "Identifier"
    ? (node as unknown as { name: string }).name
    : ((node as unknown as Literal).value as string);
}
