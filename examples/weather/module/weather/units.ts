// Conversions that the procedures share. Edit one here, and every procedure that imports it has it a
// moment later, on every node.

export const fahrenheit = (celsius: number): number => (celsius * 9) / 5 + 32;
export const beaufort = (metresPerSecond: number): number =>
  Math.round((metresPerSecond / 0.836) ** (2 / 3));

/** The data has one decimal: in whole tenths, sums are exact in any order. */
export const tenths = (value: number): number => Math.round(value * 10);

export interface Reading {
  readonly date: string;
  readonly rain: number;
  readonly max: number;
  readonly min: number;
  readonly wind: number;
  readonly sky: string;
}

/** One line of NOAA's file: date, precipitation (mm), temperatures (°C), wind (m/s), weather. */
export function parseReading(line: string): Reading {
  const [date = "", rain, max, min, wind, sky = ""] = line.split(",");
  return { date, rain: Number(rain), max: Number(max), min: Number(min), wind: Number(wind), sky };
}
