import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";

import { systemdUnit, type UnitOptions } from "../node/systemd.ts";
import type { CommandContext } from "./context.ts";

/** Prints a unit for systemd, or writes it where a file is named. */
export async function giveUnit(
  { io, output }: CommandContext,
  options: UnitOptions,
  file: string | true,
): Promise<void> {
  const unit = systemdUnit(options);
  if (file === true) {
    output.value(unit.trimEnd());
    return;
  }
  await writeFile(resolve(io.cwd, file), unit);
  output.note(`the unit is in ${file}; copy it to /etc/systemd/system and enable it`);
}
