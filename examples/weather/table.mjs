// The statistics in the tree as the table that expected.tsv is.

/** @param {import("banyan").Tree} tree */
export async function tableOf(tree) {
  const lines = ["month\tdays\train_mm\tmax_c\tmin_c\tmean_c\twind_max"];
  for await (const { path, value: m } of tree.walk("weather.month", { minDepth: 1 })) {
    const mean = Math.floor((m.mean * 5) / m.days + 0.5) / 100;
    const cells = [(m.rain / 10).toFixed(1), m.max.toFixed(1), m.min.toFixed(1), mean.toFixed(2)];
    lines.push([path.at(-1), m.days, ...cells, m.wind.toFixed(1)].join("\t"));
  }
  lines.push("alarm\traised\tcleared");
  for (const name of ["frost", "storm"]) {
    const alarm = await tree.get(["weather", "alarm", name]);
    lines.push([name, alarm?.raised ?? 0, alarm?.cleared ?? 0].join("\t"));
  }
  return `${lines.join("\n")}\n`;
}

/** The lines in which two tables differ, as a person reads them. */
export function difference(expected, actual) {
  const want = expected.trimEnd().split("\n");
  const have = actual.trimEnd().split("\n");
  const count = Math.max(want.length, have.length);
  const lines = [];
  for (let i = 0; i < count; i++) {
    if (want[i] === have[i]) continue;
    if (want[i] !== undefined) lines.push(`- ${want[i]}`);
    if (have[i] !== undefined) lines.push(`+ ${have[i]}`);
  }
  return lines;
}
