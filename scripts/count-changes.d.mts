export interface ChangesCounted {
  readonly changes: number;
  readonly killed: number;
  /** How often each watcher went on behind a hub that was killed, the first start included. */
  readonly resumed: readonly number[];
  readonly perSecond: number;
}

export declare function countChanges(options: {
  readonly changes: number;
  readonly kills: number;
  readonly log?: (line: string) => void;
}): Promise<ChangesCounted>;
