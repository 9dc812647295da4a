/** What one encoded value may be at most. The encoder and the decoder both keep to them. */
export interface ValueLimits {
  /** All of it. */
  readonly maxBytes: number;
  /** Containers within containers. */
  readonly maxDepth: number;
  /** Array elements and properties, counted over the whole value. */
  readonly maxItems: number;
  /** One string, in its encoded form. */
  readonly maxStringBytes: number;
  /** The magnitude of one bigint. */
  readonly maxBigintBytes: number;
}

export const DEFAULT_VALUE_LIMITS: ValueLimits = {
  maxBytes: 64 * 1024 * 1024,
  maxDepth: 128,
  maxItems: 4 * 1024 * 1024,
  maxStringBytes: 64 * 1024 * 1024,
  maxBigintBytes: 16 * 1024,
};
