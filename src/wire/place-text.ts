/** Behind what is said of a value: where in there. */
export function atPlace(place: string): string {
  return place === "" ? "" : ` at ${place}`;
}

/** One step on the way there. */
export function placeText(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
