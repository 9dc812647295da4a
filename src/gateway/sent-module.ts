import type * as acorn from "acorn";

import { GatewayError } from "../base/errors.ts";

/** A part of the text, and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * A module's text as the body of an async function, each line where it was: imports are awaited where
 * they stand, `$out.default` is what it exports as default, and other exports are only declared.
 *
 * @throws GatewayError `GATEWAY_SOURCE` for what can't be sent, with its place
 */
export function rewriteModule(text: string, file: string, { parse }: typeof acorn): string {
  let ast: acorn.Program;
  try {
    ast = parse(text, {
      ecmaVersion: "latest",
      sourceType: "module",
      allowReturnOutsideFunction: true,
      allowHashBang: true,
      locations: true,
      onToken: (token) => refuseMeta(token, text, file),
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const { loc } = error as SyntaxError & { readonly loc?: acorn.Position };
    const why = error.message.replace(/ \(\d+:\d+\)$/, "");
    throw unsent(file, loc, why, error);
  }
  const edits = ast.body.flatMap((statement) => editsOf(statement, file));
  return applied(text, edits).replace(/^#!/, "//");
}

function editsOf(statement: acorn.Program["body"][number], file: string): readonly Edit[] {
  const { start, end, type } = statement;
  if (type === "ImportDeclaration") return [{ start, end, text: importText(statement, file) }];
  if (type === "ExportDefaultDeclaration") return defaultEdits(statement);
  if (type === "ExportAllDeclaration") return refuseReexport(statement, file);
  if (type !== "ExportNamedDeclaration") return [];
  if (statement.source) return refuseReexport(statement, file);
  return [{ start, end: statement.declaration?.start ?? end, text: "" }];
}

function importText(statement: acorn.ImportDeclaration, file: string): string {
  const { specifiers, source, loc } = statement;
  const from = String(source.value);
  if (/^\.{0,2}\//.test(from)) {
    const says = `it imports ${JSON.stringify(from)}, a file of this side: only the one module is sent`;
    throw unsent(file, loc?.start, says);
  }
  const attributes = statement.attributes.map(
    ({ key, value }) => `${key.type === "Identifier" ? key.name : String(key.value)}: ${value.raw}`,
  );
  const options = attributes.length === 0 ? "" : `, { with: { ${attributes.join(", ")} } }`;
  const loaded = `await import(${JSON.stringify(from)}${options})`;
  const names: string[] = [];
  let whole: string | undefined;
  for (const specifier of specifiers) {
    const local = specifier.local.name;
    if (specifier.type === "ImportNamespaceSpecifier") whole = local;
    else if (specifier.type === "ImportDefaultSpecifier") names.push(`default: ${local}`);
    else names.push(`${nameOf(specifier.imported)}: ${local}`);
  }
  if (whole === undefined && names.length === 0) return `${loaded};`;
  if (whole === undefined) return `const { ${names.join(", ")} } = ${loaded};`;
  const also = names.length === 0 ? "" : ` const { ${names.join(", ")} } = ${whole};`;
  return `const ${whole} = ${loaded};${also}`;
}

function nameOf(name: acorn.Identifier | acorn.Literal): string {
  return name.type === "Identifier" ? name.name : JSON.stringify(name.value);
}

/** A declaration with a name stays one, which is there before its line is reached. */
function defaultEdits({ start, end, declaration }: acorn.ExportDefaultDeclaration): Edit[] {
  const head = { start, end: declaration.start };
  const isNamed =
    (declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration") &&
    declaration.id !== null;
  if (!isNamed) return [{ ...head, text: "$out.default = " }];
  return [
    { ...head, text: "" },
    { start: end, end, text: ` $out.default = ${declaration.id?.name ?? ""};` },
  ];
}

function refuseReexport({ loc }: acorn.Node, file: string): never {
  throw unsent(
    file,
    loc?.start,
    "it exports what is another module's: only the one module is sent",
  );
}

function refuseMeta({ type, start, loc }: acorn.Token, text: string, file: string): void {
  if (type.keyword !== "import" || !/^import\s*\.\s*meta\b/.test(text.slice(start, start + 40))) {
    return;
  }
  throw unsent(file, loc?.start, "import.meta means nothing for a module that is no file there");
}

function applied(text: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text: replacement } of edits) {
    const lines = text.slice(start, end).split("\n").length - 1;
    const left = Math.max(0, lines - (replacement.split("\n").length - 1));
    result += `${text.slice(at, start)}${replacement}${"\n".repeat(left)}`;
    at = end;
  }
  return result + text.slice(at);
}

function unsent(
  file: string,
  at: acorn.Position | undefined,
  why: string,
  cause?: unknown,
): GatewayError {
  const where = at === undefined ? file : `${file}:${at.line}:${at.column + 1}`;
  return new GatewayError("GATEWAY_SOURCE", `${where} can't be sent: ${why}`, { cause });
}
