import type { Command } from "commander";

import { treeDirectory } from "../../node/tree-folder.ts";
import type { Act } from "../act.ts";
import { infoOf } from "../config/setting-names.ts";
import type { Origin, Setting } from "../config/settings.ts";
import type { CommandContext } from "../context.ts";
import type { Column } from "../output.ts";

/** `banyan config`: what holds for this command, here. */
export function addConfigCommands(program: Command, act: Act): void {
  const config = program.command("config").description("the settings that hold here");

  config
    .command("show")
    .description(
      "what holds, of the command line, the environment, banyan.yaml, the context and the defaults",
    )
    .option("--origin", "also where each value came from, and which others it goes before")
    .action(act(show));
}

/** What `-o json` shows of a setting. */
interface SettingRow {
  readonly name: string;
  readonly value: string | null;
  readonly origin?: Origin;
  readonly over?: readonly { readonly value: string; readonly origin: Origin }[];
}

async function show(
  context: CommandContext,
  { origin = false }: { origin?: boolean },
): Promise<void> {
  const settings = context.settings.list();
  const rows = await Promise.all(settings.map((setting) => rowOf(context, setting, origin)));
  context.output.rows(rows, origin ? [...COLUMNS, ...ORIGIN_COLUMNS] : COLUMNS);
}

async function rowOf(
  context: CommandContext,
  { name, candidates }: Setting,
  withOrigin: boolean,
): Promise<SettingRow> {
  const shown = candidates.map(({ value, origin }) => {
    return { value: infoOf(name).secret === true ? HIDDEN : value, origin };
  });
  const [first, ...over] = shown;
  const { value, origin } = first ?? { value: await defaultOf(context, name), origin: DEFAULT };
  return withOrigin ? { name, value, origin, over } : { name, value };
}

const HIDDEN = "(secret)";
const DEFAULT: Origin = { kind: "default", where: "" };

async function defaultOf(context: CommandContext, name: Setting["name"]): Promise<string | null> {
  if (name === "output") return "table";
  if (name === "author") return context.author;
  if (name !== "tree") return null;
  // The nearest one; there need be none.
  return treeDirectory(undefined, { cwd: context.io.cwd }).catch(() => null);
}

function told({ kind, where }: Origin): string {
  return where === "" ? kind : `${kind} ${where}`;
}

const COLUMNS: readonly Column<SettingRow>[] = [
  { head: "setting", cell: ({ name }) => name },
  { head: "value", cell: ({ value }) => value ?? "" },
];

const ORIGIN_COLUMNS: readonly Column<SettingRow>[] = [
  { head: "from", cell: ({ origin = DEFAULT }) => told(origin) },
  {
    head: "goes before",
    cell: ({ over = [] }) =>
      over.map(({ value, origin }) => `${value} (${told(origin)})`).join(", "),
  },
];
