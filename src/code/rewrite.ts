/**
 * Turns a module, or a body with imports, into the inside of a function, in place: every line stays
 * where it is, and so do columns up to the first imported name of a line.
 *
 * | written | becomes |
 * | --- | --- |
 * | `import ...`, `export { ... }` | blanks |
 * | `quux(x)`, `quux` imported | `(0,$t$0.quux)(x)`: a live binding, called without a `this` |
 * | `{ quux }` | `{ quux: $t$0.quux }` |
 * | `export const x = 1` | `const x = 1` |
 * | `export default 1` | `$t$d={default: 1}`: an anonymous function is named "default" |
 * | `import(x)`, `import.meta` | `$t$dyn(x)`, `$t$meta` |
 */
import type {
  AnyNode,
  ExportAllDeclaration,
  ExportDefaultDeclaration,
  ExportNamedDeclaration,
} from "acorn";
import { MagicString } from "magic-string";

import { codeErrorAt, placeAt, type CodeOrigin } from "./code-frame.ts";
import { exportedName, ImportTable } from "./import-table.ts";
import { RESERVED } from "./reserved.ts";
import { moduleOfSpecifier } from "./specifier.ts";
import { blank, blankStatement } from "./strip.ts";
import { readSyntax, visit, type Syntax } from "./syntax.ts";
import type { Unit } from "./unit.ts";

export type Rewritten = Pick<
  Unit,
  "imports" | "later" | "exports" | "stars" | "head" | "body" | "free"
>;

/**
 * @param js The text without its types, as long as `origin.text`.
 * @throws CodeError `CODE_SYNTAX`, `CODE_UNSUPPORTED`
 */
export function rewrite(
  js: string,
  origin: CodeOrigin,
  options: { readonly form: "body" | "module"; readonly allowAwait: boolean },
): Rewritten {
  const syntax = readSyntax(js, origin, options.form);
  return new Rewriter(js, origin, syntax).run(options.allowAwait);
}

class Rewriter {
  readonly #js: string;
  readonly #origin: CodeOrigin;
  readonly #syntax: Syntax;
  readonly #out: MagicString;
  readonly #imports: ImportTable;
  readonly #later = new Set<string>();
  /** Export names with the expression that reads them. */
  readonly #exports = new Map<string, string>();
  readonly #stars = new Set<number>();

  constructor(js: string, origin: CodeOrigin, syntax: Syntax) {
    this.#js = js;
    this.#origin = origin;
    this.#syntax = syntax;
    this.#out = new MagicString(js);
    this.#imports = ImportTable.of(syntax.ast, origin);
  }

  run(allowAwait: boolean): Rewritten {
    for (const node of this.#syntax.ast.body) this.#statement(node);
    this.#references(allowAwait);
    const { imports, locals } = this.#imports;
    const getters = [...this.#exports.values()].map((read) => `()=>${read}`);
    return {
      imports,
      later: [...this.#later],
      exports: [...this.#exports.keys()],
      stars: [...this.#stars],
      head: getters.length === 0 ? "" : `let $t$d;$t$x([${getters.join(",")}]);`,
      body: this.#out.toString(),
      free: this.#syntax.free.filter((name) => !locals.has(name)),
    };
  }

  #statement(node: AnyNode): void {
    if (node.type === "ImportDeclaration") this.#blank(node);
    else if (node.type === "ExportAllDeclaration") this.#exportAll(node);
    else if (node.type === "ExportNamedDeclaration") this.#exportNamed(node);
    else if (node.type === "ExportDefaultDeclaration") this.#exportDefault(node);
  }

  #exportAll(node: ExportAllDeclaration): void {
    const index = this.#imports.add(node, node.source, node.attributes);
    if (node.exported === null || node.exported === undefined) this.#stars.add(index);
    else this.#exports.set(exportedName(node.exported), `$t$${index}`);
    this.#blank(node);
  }

  #exportNamed(node: ExportNamedDeclaration): void {
    const { declaration, source, specifiers } = node;
    if (declaration) {
      this.#fit("", node.start, declaration.start);
      for (const name of this.#syntax.declaredBy(declaration)) this.#exports.set(name, name);
      return;
    }
    const index = source ? this.#imports.add(node, source, node.attributes) : undefined;
    for (const { local, exported, start } of specifiers) {
      const name = exportedName(local);
      if (index !== undefined) this.#imports.addName(index, name, start);
      const read = index === undefined ? this.#read(name) : member(index, name);
      this.#exports.set(exportedName(exported), read);
    }
    this.#blank(node);
  }

  #exportDefault(node: ExportDefaultDeclaration): void {
    const { declaration, start, end } = node;
    const keywords = /export(?:\s|\/\*[^]*?\*\/|\/\/.*)*default/y;
    keywords.lastIndex = start;
    keywords.exec(this.#js);
    const isDeclaration =
      declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration";
    if (isDeclaration && declaration.id !== null) {
      this.#fit("", start, declaration.start);
      this.#exports.set("default", declaration.id.name);
      return;
    }
    this.#fit("$t$d={default:", start, keywords.lastIndex);
    const hasSemicolon = !isDeclaration && this.#js[end - 1] === ";";
    if (hasSemicolon) this.#out.appendLeft(end - 1, "}");
    else this.#out.appendLeft(end, "};");
    this.#exports.set("default", "$t$d.default");
  }

  /** What reads a local name: the import that it stands for, or itself. */
  #read(local: string): string {
    const imported = this.#imports.locals.get(local);
    return imported === undefined ? local : member(imported.index, imported.name);
  }

  #references(allowAwait: boolean): void {
    const imported = new Map<unknown, string>();
    for (const local of this.#imports.locals.keys()) {
      for (const reference of this.#syntax.references.get(local) ?? []) {
        if (reference.isWrite()) {
          const { start } = reference.identifier as unknown as AnyNode;
          this.#fail("CODE_SYNTAX", `"${local}" is imported and can't be assigned to`, start);
        }
        imported.set(reference.identifier, this.#read(local));
      }
    }
    visit(this.#syntax.ast, (node, ancestors) => {
      const read = imported.get(node);
      if (read !== undefined) this.#reference(node, read, ancestors);
      this.#expression(node);
      if (!allowAwait) this.#refuseAwait(node, ancestors);
    });
  }

  #reference(node: AnyNode, read: string, ancestors: readonly AnyNode[]): void {
    const [parent] = ancestors;
    // Its whole statement is blank.
    if (parent === undefined || parent.type === "ExportSpecifier") return;
    const { start, end } = node;
    if (parent.type === "Property" && parent.shorthand) {
      this.#out.update(start, end, `${this.#js.slice(start, end)}: ${read}`);
      return;
    }
    const called =
      (parent.type === "CallExpression" && parent.callee === node) ||
      (parent.type === "TaggedTemplateExpression" && parent.tag === node);
    if (!called) this.#out.update(start, end, read);
    // The line before may have no semicolon, and would take the parenthesis for a call's.
    else this.#out.update(start, end, `${startsStatement(start, ancestors) ? ";" : ""}(0,${read})`);
  }

  #expression(node: AnyNode): void {
    const { start, end } = node;
    if (node.type === "Identifier" && node.name.startsWith(RESERVED)) {
      this.#fail("CODE_UNSUPPORTED", `names that start with ${RESERVED} are reserved`, start);
    } else if (node.type === "ImportExpression") {
      this.#out.update(start, start + "import".length, "$t$dyn");
      if (node.source.type === "Literal") this.#noteLater(String(node.source.value));
    } else if (node.type === "MetaProperty" && node.meta.name === "import") {
      this.#fit("$t$meta", start, end);
    }
  }

  #noteLater(spec: string): void {
    try {
      const module = moduleOfSpecifier(spec, this.#origin.name);
      if (module !== undefined) this.#later.add(module);
    } catch {
      // It fails where it is run, as any other promise of an import.
    }
  }

  #refuseAwait(node: AnyNode, ancestors: readonly AnyNode[]): void {
    const waits = node.type === "AwaitExpression" || (node.type === "ForOfStatement" && node.await);
    if (!waits || ancestors.some(({ type }) => /Function|StaticBlock/.test(type))) return;
    this.#fail("CODE_SYNTAX", "await needs code that is stored with is_async: true", node.start);
  }

  #blank({ start, end }: { readonly start: number; readonly end: number }): void {
    this.#out.update(start, end, blankStatement(this.#js.slice(start, end)));
  }

  /** Puts `text` in place of what stands there, as wide as that where it fits into its first line. */
  #fit(text: string, start: number, end: number): void {
    const blanks = blank(this.#js.slice(start, end));
    const room = /^ */.exec(blanks)?.[0].length ?? 0;
    this.#out.update(start, end, text + blanks.slice(Math.min(room, text.length)));
  }

  #fail(code: "CODE_SYNTAX" | "CODE_UNSUPPORTED", reason: string, start: number): never {
    throw codeErrorAt(code, reason, this.#origin, placeAt(this.#origin.text, start));
  }
}

function member(index: number, name: string | undefined): string {
  if (name === undefined) return `$t$${index}`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)
    ? `$t$${index}.${name}`
    : `$t$${index}[${JSON.stringify(name)}]`;
}

/** Whether a statement of a list starts here: only there does a semicolon more change nothing. */
function startsStatement(start: number, ancestors: readonly AnyNode[]): boolean {
  const at = ancestors.findIndex(({ type }) => type === "ExpressionStatement");
  if (at < 0 || ancestors[at]?.start !== start) return false;
  return ["Program", "BlockStatement", "StaticBlock", "SwitchCase"].includes(
    ancestors[at + 1]?.type ?? "",
  );
}
