/** Values that cross one by one, as an array that is nobody's: for answers with several parts. */
export class List {
  readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}
