/**
 * Banyan: one tree of data and code, shared by every node.
 *
 * @module
 */
export { BanyanError, type BanyanErrorJson } from "./base/errors.ts";
export { ERROR_CODES, type ErrorCode } from "./base/error-codes.ts";
export { open, openEngine, type OpenOptions } from "./node/open.ts";
export { Tree } from "./tree/tree.ts";
