/**
 * The named options that are set, and nothing else: what stored code passes crosses to the node.
 *
 * @throws TypeError for an option that does not exist
 */
export function pickOptions<T extends object>(options: T, names: readonly (keyof T & string)[]): T {
  const picked: Partial<T> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!names.includes(name as keyof T & string)) {
      throw new TypeError(`there is no option "${name}"; there are ${names.join(", ")}`);
    }
    if (value !== undefined) picked[name as keyof T] = value as T[keyof T];
  }
  return picked as T;
}
