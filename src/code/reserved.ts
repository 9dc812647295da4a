/** Names that the rewriting of code uses start with this, and nobody else's may. */
export const RESERVED = "$t$";
