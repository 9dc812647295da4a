import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { digestOf, readBytes, splitName, writeBytes } from "../../src/node/entry-file.ts";
import { encodeValue } from "../../src/wire/value.ts";
import { Path } from "../../src/wire/path.ts";
import { value as arbitraryValue } from "../wire/arbitrary.ts";

const bytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new Uint8Array(Buffer.from(text)) : text;

describe("writeBytes()", () => {
  it("loses nothing of any data, whatever the ending of its file was", () => {
    const endings = fc.constantFrom(undefined, "", ".yaml", ".json", ".txt", ".exact.json", ".odd");
    fc.assert(
      fc.property(arbitraryValue, endings, (value, ending) => {
        if (value === undefined) return;
        const file = writeBytes({ kind: "data", value, ending, derived: [] });
        const read = readBytes("data", file.ending, bytes(file.text));
        expect(digestOf("data", read, [])).toBe(digestOf("data", value, []));
      }),
      { numRuns: 500 },
    );
  });

  it("takes the form that people would: text, YAML, bytes, and JSON where the file was JSON", () => {
    expect(form("two\nlines\n")).toEqual([".txt", "two\nlines\n"]);
    expect(form("text", ".md")).toEqual([".md", "text"]);
    expect(form("text", ".yaml")).toEqual([".yaml", "text\n"]);
    expect(form({ a: [1, Path.fromElements(["a", 2])] })).toEqual([".yaml", "a:\n  - 1\n  - !P a:2\n"]); // prettier-ignore
    expect(form({ a: 1 }, ".json")).toEqual([".json", '{\n  "a": 1\n}\n']);
    expect(form(Uint8Array.of(255, 0))).toEqual([".bin", Uint8Array.of(255, 0)]);
    expect(form(new Uint8Array(Buffer.from("text")))[0]).toBe(".yaml");
    expect(form(2n ** 70n)).toEqual([".yaml", `${2n ** 70n}\n`]);
    expect(form(70n)).toEqual([".exact.json", `{\n  "$bigint": "70"\n}\n`]);
    expect(form({ a: 2 ** 70, b: 2 ** 60 })[0]).toBe(".exact.json");
  });

  it("says of code in its first line what the source does not, once", () => {
    const code = "return a;\n";
    expect(written({ code, is_async: null, vars: [], requires: [] })).toBe(code);
    const line = "// banyan: { is_async: false, vars: [ a ] }\n";
    expect(written({ code, is_async: false, vars: ["a"] })).toBe(line + code);
    expect(written({ code, mode: "worker", vars: ["a"] })).toBe(line + code);
    const own = "// banyan: {vars: [a], is_async: false}\nreturn a;\n";
    expect(written({ code: own, is_async: false, vars: ["a"] })).toBe(own);
    expect(written({ code: own, is_async: null, vars: ["a"] })).toBe("// banyan: { vars: [ a ] }\n" + code); // prettier-ignore
    expect(written({ code: own, is_async: null, vars: [] })).toBe(code);
    const senseless = "// banyan: {nothing: 1}\nreturn 1;\n";
    expect(written({ code: senseless })).toBe(`// banyan: {}
${senseless}`);
    expect(written({ code, requires: ["a.b", "c"] }, "module", ["c"])).toBe("// banyan: { requires: [ a.b ] }\n" + code); // prettier-ignore
    expect(written({ code, doc: "two\nlines # {" })).toBe('// banyan: { doc: "two\\nlines # {" }\n' + code); // prettier-ignore
    expect(() => written({ code, doc: 70n })).toThrow(/one line/);
    expect(() => written({ source: code })).toThrow(/"code"/);
  });

  it("gives a file of code from which the same file would be made again", () => {
    const entry = fc.record(
      {
        code: fc.oneof(
          fc.string(),
          fc.constantFrom("// banyan: {}\nx", "\r\n", "// banyan: { vars: [b] }"),
        ),
        is_async: fc.constantFrom(null, true, false),
        vars: fc.array(fc.constantFrom("a", "b", "c")),
        doc: fc.oneof(fc.string(), fc.integer()),
        requires: fc.array(fc.constantFrom("m", "n")),
      },
      { requiredKeys: ["code"] },
    );
    fc.assert(
      fc.property(entry, (value) => {
        const file = writeBytes({ kind: "proc", value, derived: ["n"] });
        const read = readBytes("proc", file.ending, bytes(file.text));
        expect(writeBytes({ kind: "proc", value: read, derived: ["n"] })).toEqual(file);
        expect(digestOf("proc", read, ["n"])).toBe(digestOf("proc", value, ["n"]));
      }),
      { numRuns: 500 },
    );
  });

  it("keeps modules of JSON, and jobs, as what they are", () => {
    const module = { code: '{"a":1}', type: "json", requires: [] };
    const file = writeBytes({ kind: "module", value: module, derived: [] });
    expect(file).toEqual({ ending: ".json", text: '{"a":1}' });
    expect(readBytes("module", ".json", bytes(file.text))).toEqual({
      code: '{"a":1}',
      type: "json",
    });
    const job = { code: Path.fromElements(["a", "b"]), target: null, data: { x: 1.5 } };
    const made = writeBytes({ kind: "job", value: job, derived: [] });
    expect(made.ending).toBe(".yaml");
    const read = readBytes("job", ".yaml", bytes(made.text));
    expect(encodeValue(read)).toEqual(encodeValue(job));
  });
});

describe("digestOf()", () => {
  it("does not see how a file is laid out: order, comments, ends of lines, ways to say the same", () => {
    expect(yaml("a: 1\nb: [x]\n")).toBe(yaml('# why\r\n{"b": ["x"], "a": 1}\r\n'));
    expect(yaml("a: 1\n")).not.toBe(yaml('a: "1"\n'));
    expect(yaml("code: a.b\ntarget: 2026-01-01T00:00:00Z\n", "job")).toBe(yaml("code: !P a.b\ntarget: 1767225600\n", "job")); // prettier-ignore
    expect(source("a;\r\nb;\r\n")).toBe(source("\uFEFFa;\nb;\n"));
    expect(source("a;\nb;")).not.toBe(source("a;\nb;\n"));
  });
});

describe("splitName()", () => {
  it("tells files that count from others, by kind", () => {
    expect(splitName("proc", "a.b.ts")).toEqual({ stem: "a.b", ending: ".ts" });
    expect(splitName("data", "a.exact.json")).toEqual({ stem: "a", ending: ".exact.json" });
    expect(splitName("data", "notes")).toEqual({ stem: "notes", ending: "" });
    expect(splitName("module", "a.json")).toEqual({ stem: "a", ending: ".json" });
    for (const name of ["a.json", "a.d.ts", ".a.ts", "a.ts~", "readme.md", "a"]) {
      expect(splitName("proc", name)).toBeUndefined();
    }
  });
});

/** The digests of files. */
function yaml(text: string, kind: "data" | "job" = "data"): string {
  return digestOf(kind, readBytes(kind, ".yaml", bytes(text)), []);
}

function source(text: string): string {
  return digestOf("proc", readBytes("proc", ".ts", bytes(text)), []);
}

/** The ending and what is in it, of a file for data. */
function form(value: unknown, ending?: string): readonly [string, string | Uint8Array] {
  const file = writeBytes({ kind: "data", value, ending, derived: [] });
  return [file.ending, file.text];
}

function written(entry: object, kind: "proc" | "module" = "proc", derived: string[] = []): unknown {
  return writeBytes({ kind, value: entry, derived }).text;
}
