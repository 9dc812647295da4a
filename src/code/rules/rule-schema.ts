import { createRequire } from "node:module";

import type { AnySchemaObject, ErrorObject } from "ajv";

import { BrokenRule } from "./rule-function.ts";

const require = createRequire(import.meta.url);

/** What a schema has against a value; undefined where it fits. */
export type SchemaCheck = (value: unknown) => { reason: string; at?: string } | undefined;

/** Keywords that nobody knows are mistakes; everything else is as the drafts have it. */
const OPTIONS = {
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  ownProperties: true,
  logger: false,
} as const;

/**
 * Compiles a JSON Schema.
 *
 * @throws BrokenRule which says what is wrong with it
 */
export async function schemaCheck(schema: Readonly<Record<string, unknown>>): Promise<SchemaCheck> {
  if (schema["$async"] === true) throw new BrokenRule("its schema is asynchronous");
  try {
    // An instance of its own: names that schemas give themselves can't meet, and it goes with its type.
    const ajv = await instance(schema["$schema"]);
    const { default: formats } = await import("ajv-formats");
    formats.default(ajv);
    const validate = ajv.compile(schema as AnySchemaObject);
    return (value) => (validate(value) === true ? undefined : complaint(validate.errors?.[0]));
  } catch (error) {
    throw new BrokenRule(`its schema is not usable: ${(error as Error).message}`);
  }
}

async function instance(declared: unknown) {
  const draft = typeof declared === "string" ? declared : "";
  if (/draft-0[67]/.test(draft)) {
    const { Ajv } = await import("ajv");
    const ajv = new Ajv(OPTIONS);
    if (draft.includes("draft-06")) {
      // Imported as a module, JSON makes Node 20 print a warning.
      const meta: unknown = require("ajv/dist/refs/json-schema-draft-06.json");
      ajv.addMetaSchema(meta as AnySchemaObject);
    }
    return ajv;
  }
  if (draft.includes("2019-09")) {
    const { Ajv2019 } = await import("ajv/dist/2019.js");
    return new Ajv2019(OPTIONS);
  }
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  return new Ajv2020(OPTIONS);
}

function complaint(error: ErrorObject | undefined): { reason: string; at?: string } {
  if (error === undefined) return { reason: "it does not fit the schema" };
  const at = error.instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".");
  return {
    reason: `${error.message ?? "it does not fit"}${more(error)}`,
    ...(at === "" ? {} : { at }),
  };
}

/** What the message leaves out. */
function more({ keyword, params }: ErrorObject): string {
  const fields = params as Readonly<Record<string, unknown>>;
  if (keyword === "additionalProperties") return `: ${String(fields["additionalProperty"])}`;
  if (keyword === "unevaluatedProperties") return `: ${String(fields["unevaluatedProperty"])}`;
  if (keyword === "enum") return `: ${JSON.stringify(fields["allowedValues"])}`;
  return keyword === "const" ? `: ${JSON.stringify(fields["allowedValue"])}` : "";
}
