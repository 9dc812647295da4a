import { BanyanError } from "../base/errors.ts";
import type { ErrorCode } from "../base/error-codes.ts";

/** What the command's exit status says; scripts rely on it. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  denied: 5,
  unreachable: 6,
  invalid: 7,
  codeFailed: 8,
  partlyFailed: 9,
  differs: 10,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes that need another exit status than their layer's. */
const BY_CODE: Partial<Record<ErrorCode, ExitCode>> = {
  WIRE_BAD_PATH: EXIT.usage,
  NODE_BAD_URL: EXIT.usage,
  CLI_USAGE: EXIT.usage,
  CLI_BAD_CONFIG: EXIT.invalid,
  CLI_IN_USE: EXIT.conflict,
  CLI_NOT_FOUND: EXIT.notFound,
  TREE_NO_VERSION: EXIT.notFound,
  TREE_NO_USER: EXIT.notFound,
  NODE_NO_TREE: EXIT.notFound,
  CODE_NOT_FOUND: EXIT.notFound,
  RUNNER_NOT_FOUND: EXIT.notFound,
  REMOTE_NOT_FOUND: EXIT.notFound,
  ENGINE_CONFLICT: EXIT.conflict,
  ENGINE_CONDITION: EXIT.conflict,
  TREE_EXISTS: EXIT.conflict,
  TREE_BAD_INVITE: EXIT.denied,
  NODE_JOINED: EXIT.conflict,
  NODE_BAD_CREDENTIALS: EXIT.usage,
  NODE_UNFINISHED: EXIT.unreachable,
  NODE_TREE_IN_USE: EXIT.conflict,
  CODE_IN_USE: EXIT.conflict,
  RUNNER_NAME_TAKEN: EXIT.conflict,
  RUNNER_IN_USE: EXIT.conflict,
  ENGINE_DENIED: EXIT.denied,
  TREE_NO_KEY: EXIT.denied,
  NODE_DENIED: EXIT.denied,
  REMOTE_DENIED: EXIT.denied,
  ENGINE_UNAVAILABLE: EXIT.unreachable,
  ENGINE_AMBIGUOUS: EXIT.unreachable,
  ENGINE_NO_RESPONDER: EXIT.unreachable,
  ENGINE_NO_ANSWER: EXIT.unreachable,
  ENGINE_RESPONDER_LOST: EXIT.unreachable,
  ENGINE_BAD_TOPIC: EXIT.usage,
  CHANNEL_REFUSED: EXIT.unreachable,
  CHANNEL_CLOSED: EXIT.unreachable,
  CHANNEL_SILENT: EXIT.unreachable,
  REMOTE_BROKEN: EXIT.unreachable,
  REMOTE_CLOSED: EXIT.unreachable,
  REMOTE_TIMEOUT: EXIT.unreachable,
  NODE_HUB_FAILED: EXIT.unreachable,
  TREE_BAD_VALUE: EXIT.invalid,
  TREE_RULE_VIOLATED: EXIT.invalid,
  TREE_RULE_FAILED: EXIT.codeFailed,
  TREE_BAD_RULE: EXIT.invalid,
  TREE_RULE_IN_USE: EXIT.conflict,
  TREE_CODEC_REFUSED: EXIT.invalid,
  TREE_NO_CODECS: EXIT.notFound,
  ENGINE_FORMAT: EXIT.invalid,
  ENGINE_TOO_LARGE: EXIT.invalid,
  RUNNER_BAD_JOB: EXIT.invalid,
  NODE_BAD_VALUE: EXIT.invalid,
  NODE_BAD_SNAPSHOT: EXIT.invalid,
  NODE_BAD_DIRECTORY: EXIT.invalid,
  NODE_SYNC_CONFLICT: EXIT.conflict,
  NODE_SYNC_OTHER_TREE: EXIT.conflict,
  NODE_SYNC_BUSY: EXIT.conflict,
  NODE_SYNC_STOPPED: EXIT.partlyFailed,
  NODE_SYNC_BROKEN: EXIT.invalid,
};

/** The exit status for an error that ended the command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!BanyanError.is(error)) return EXIT.failed;
  const known = BY_CODE[error.code];
  if (known !== undefined) return known;
  return error.code.startsWith("CODE_") ? EXIT.invalid : EXIT.failed;
}
