export interface KillsSeen {
  /** How often each was killed. */
  readonly killed: { readonly hub: number; readonly contender: number; readonly witness: number };
  readonly operations: number;
  readonly acknowledged: number;
  readonly revisions: number;
}

export declare function killsOfEngine(options: {
  readonly kills: number;
  readonly seed: number;
  readonly log?: (line: string) => void;
}): Promise<KillsSeen>;
