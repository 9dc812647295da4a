// What scripts are told in numbers. One that took what is none for "nothing to do" would say that all is well.

/** The numbers of a command line, each in the place of its default; anything else ends the script with 2. */
export function numbersOf(given, defaults) {
  const wrong = given.find((text) => !/^\d{1,15}$/.test(text)) ?? given[defaults.length];
  if (wrong !== undefined) {
    process.stderr.write(`${wrong}: up to ${defaults.length} whole numbers were expected\n`);
    process.exit(2);
  }
  return defaults.map((number, i) => Number(given[i] ?? number));
}
