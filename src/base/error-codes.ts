/** What one code says, and whether the same call may succeed if tried again unchanged. */
export interface ErrorCodeInfo {
  readonly retryable: boolean;
  readonly says: string;
}

/** The one table of codes: `LAYER_REASON`, the same in the library, on the wire and in `-o json`. */
export const ERROR_CODES = {
  WIRE_UNSUPPORTED: {
    retryable: false,
    says: "the value is of a kind that does not cross by value",
  },
  WIRE_MALFORMED: { retryable: false, says: "the bytes are no value" },
  WIRE_LIMIT: { retryable: false, says: "the value or message is over a limit" },
  WIRE_BAD_PATH: { retryable: false, says: "the path is not valid" },

  CHANNEL_CLOSED: { retryable: true, says: "the channel is closed" },
  CHANNEL_REFUSED: { retryable: true, says: "nothing accepted the connection" },
  CHANNEL_MALFORMED: { retryable: false, says: "the peer sent bytes that are no message" },
  CHANNEL_SILENT: { retryable: true, says: "nothing came from the peer for too long" },
  CHANNEL_TOO_LARGE: { retryable: false, says: "a message is over the channel's limit" },

  REMOTE_CLOSED: { retryable: true, says: "the session is closed" },
  REMOTE_BROKEN: { retryable: true, says: "the session broke before the answer came" },
  REMOTE_VERSION: { retryable: false, says: "the peer speaks no protocol version in common" },
  REMOTE_PROTOCOL: { retryable: false, says: "the peer broke the protocol" },
  REMOTE_NOT_FOUND: { retryable: false, says: "nothing is exported under that name" },
  REMOTE_DENIED: { retryable: false, says: "the policy does not allow this access" },
  REMOTE_RELEASED: { retryable: false, says: "the reference was released" },
  REMOTE_LIMIT: { retryable: true, says: "a limit of the session is reached" },
  REMOTE_INVALID: { retryable: false, says: "what crossed is not what was declared" },
  REMOTE_TIMEOUT: { retryable: true, says: "no answer came in time" },

  GATEWAY_BAD_SPEC: { retryable: false, says: "the spec of a gateway is not valid" },
  GATEWAY_NOT_STARTED: { retryable: true, says: "the interpreter could not be started or reached" },
  GATEWAY_CLOSED: { retryable: false, says: "the gateway has ended" },
  GATEWAY_CHANNEL_CLOSED: { retryable: false, says: "the channel is closed" },
  GATEWAY_SOURCE: { retryable: false, says: "this code can't be sent to another process" },
  GATEWAY_STUCK: { retryable: true, says: "the interpreter does not end" },
  GATEWAY_ID_TAKEN: { retryable: false, says: "the group has a gateway of that id" },

  ENGINE_CLOSED: { retryable: false, says: "the engine is closed" },
  ENGINE_CONFLICT: { retryable: true, says: "the entry is not at the revision that was asked for" },
  ENGINE_CONDITION: { retryable: false, says: "the condition on another entry does not hold" },
  ENGINE_UNAVAILABLE: { retryable: true, says: "the store can't be reached; nothing was applied" },
  ENGINE_AMBIGUOUS: {
    retryable: false,
    says: "the store was lost before it answered; the write may or may not be applied",
  },
  ENGINE_DENIED: { retryable: false, says: "this user has no right to that" },
  ENGINE_BAD_TOPIC: { retryable: false, says: "nobody can send to a topic with wildcards" },
  ENGINE_NO_RESPONDER: { retryable: true, says: "nobody is there who would answer" },
  ENGINE_NO_ANSWER: {
    retryable: false,
    says: "no answer came in time; what was asked for may have been done",
  },
  ENGINE_RESPONDER_LOST: {
    retryable: false,
    says: "whoever was to answer went away; what was asked for may have been done",
  },
  ENGINE_DEPOSED: { retryable: true, says: "another process owns the store now" },
  ENGINE_UNSUPPORTED: { retryable: false, says: "this engine can't do that" },
  ENGINE_TOO_LARGE: {
    retryable: false,
    says: "the value, or a name that goes with it, is over the engine's limit",
  },
  ENGINE_FORMAT: { retryable: false, says: "the directory holds no store this version can open" },
  ENGINE_FULL: { retryable: true, says: "the disk or the store is full" },
  ENGINE_CORRUPT: { retryable: false, says: "the store's file is damaged" },

  TREE_BAD_VALUE: { retryable: false, says: "the value can't be stored" },
  TREE_NO_VERSION: { retryable: false, says: "that version of the entry is not kept" },
  TREE_NO_KEY: { retryable: false, says: "the key to a secret is missing, or another one" },
  TREE_NO_USER: { retryable: false, says: "there is no such user or role" },
  TREE_EXISTS: { retryable: false, says: "there is an entry already" },
  TREE_BAD_INVITE: { retryable: false, says: "the invitation can't be used" },
  TREE_OVERFLOW: { retryable: true, says: "the reader fell behind and missed something" },
  TREE_RULE_VIOLATED: { retryable: false, says: "the value does not fit the type of its path" },
  TREE_RULE_FAILED: { retryable: false, says: "a rule on the entry could not be applied" },
  TREE_BAD_RULE: { retryable: false, says: "the rule is refused" },
  TREE_RULE_IN_USE: { retryable: false, says: "other rules need it" },
  TREE_CODEC_REFUSED: { retryable: false, says: "the codec can't convert the value" },
  TREE_NO_CODECS: { retryable: false, says: "there is no such set of conversions" },
  TREE_CLOSED: { retryable: false, says: "the tree is closed" },

  EXECUTOR_STALLED: { retryable: false, says: "the code blocked its thread and was stopped" },
  EXECUTOR_LOST: { retryable: true, says: "the thread that ran the code is gone" },
  EXECUTOR_MEMORY: { retryable: false, says: "the code used more memory than its thread may" },
  EXECUTOR_CANCELLED: { retryable: false, says: "the run was cancelled" },
  EXECUTOR_BUSY: { retryable: true, says: "too much waits for a thread already" },
  EXECUTOR_BAD_RESULT: { retryable: false, says: "what the code returned can't leave its thread" },
  EXECUTOR_CLOSED: { retryable: false, says: "the executor is closed" },

  CODE_NOT_FOUND: { retryable: false, says: "there is no code under that path" },
  CODE_SYNTAX: { retryable: false, says: "the source does not compile" },
  CODE_UNSUPPORTED: { retryable: false, says: "the source uses what stored code can't have" },
  CODE_INVALID: { retryable: false, says: "the entry is no code entry" },
  CODE_CYCLE: { retryable: false, says: "the modules import each other in a circle" },
  CODE_MISSING_MODULE: { retryable: false, says: "an imported module does not exist" },
  CODE_MISSING_EXPORT: { retryable: false, says: "an imported name is not exported" },
  CODE_EXTERNAL: { retryable: false, says: "a package could not be imported" },
  CODE_BLOCKED: { retryable: false, says: "something it imports is broken" },
  CODE_LOAD: { retryable: false, says: "the module threw while it was loaded" },
  CODE_LOAD_TIMEOUT: { retryable: false, says: "the module did not finish loading in time" },
  CODE_ARGUMENTS: { retryable: false, says: "the arguments do not fit the procedure's vars" },
  CODE_MODE: { retryable: false, says: "the procedure can't be called this way" },
  CODE_IN_USE: { retryable: false, says: "the code is still used" },

  RUNNER_BAD_JOB: { retryable: false, says: "the job entry is not valid" },
  RUNNER_NOT_FOUND: { retryable: false, says: "there is no such job" },
  RUNNER_DENIED: { retryable: false, says: "who set the job may not run its code any more" },
  RUNNER_IN_USE: { retryable: false, says: "the job runs, or jobs need the node" },
  RUNNER_BUSY: { retryable: true, says: "the job is running" },
  RUNNER_NAME_TAKEN: { retryable: false, says: "a node of that name is alive" },
  RUNNER_FENCED: { retryable: false, says: "the run has lost its job and may not act any more" },
  RUNNER_DETACHED: {
    retryable: true,
    says: "the run's node is cut off from the tree, and the run goes on by its partition policy",
  },
  RUNNER_LEASE_LOST: { retryable: true, says: "the node could not renew its lease" },
  RUNNER_OVERFLOW: { retryable: false, says: "the code left its events unread" },
  RUNNER_RESTARTED: { retryable: true, says: "the node went away while the job ran" },
  RUNNER_BAD_RESULT: { retryable: false, says: "the result can't be stored" },
  RUNNER_CODE_CHANGED: { retryable: true, says: "the code changed while the job ran" },
  RUNNER_POISONED: {
    retryable: false,
    says: "the code blocked or ended its thread too often and is not started again",
  },
  RUNNER_CANCELLED: { retryable: false, says: "the job was cancelled" },

  NODE_NO_TREE: { retryable: false, says: "there is no tree here" },
  NODE_JOINED: { retryable: false, says: "the folder belongs to a tree of another machine" },
  NODE_BAD_CREDENTIALS: {
    retryable: false,
    says: "what is given to show to a hub can't be anybody's",
  },
  NODE_UNFINISHED: {
    retryable: true,
    says: "this machine may have joined; joining again with the same line tells",
  },
  NODE_DENIED: { retryable: false, says: "the tree's folder can't be written" },
  NODE_BAD_URL: { retryable: false, says: "the tree's address is not valid" },
  NODE_TREE_IN_USE: { retryable: true, says: "another process has the tree for itself" },
  NODE_HUB_FAILED: { retryable: true, says: "the hub did not start" },
  NODE_BAD_VALUE: { retryable: false, says: "a value in the file can't be read" },
  NODE_BAD_SNAPSHOT: { retryable: false, says: "the file is no snapshot, or a damaged one" },
  NODE_BAD_DIRECTORY: { retryable: false, says: "a file of the directory can't be loaded" },
  NODE_SYNC_CONFLICT: {
    retryable: false,
    says: "a file and its entry in the tree were both changed since they were in step",
  },
  NODE_SYNC_OTHER_TREE: {
    retryable: false,
    says: "the directory is kept in step with another tree",
  },
  NODE_SYNC_BUSY: { retryable: true, says: "another sync works on the directory" },
  NODE_SYNC_STOPPED: { retryable: true, says: "a push ended when some of it was done" },
  NODE_SYNC_BROKEN: {
    retryable: false,
    says: "the code in the directory does not compile or link, and none of it was pushed",
  },

  CLI_USAGE: { retryable: false, says: "the command was used wrongly" },
  CLI_BAD_CONFIG: { retryable: false, says: "a file of settings can't be used" },
  CLI_IN_USE: { retryable: false, says: "something still needs it" },
  CLI_FILE: { retryable: false, says: "a file can't be read or written" },
  CLI_NOT_FOUND: { retryable: false, says: "nothing was found" },
} as const satisfies Record<string, ErrorCodeInfo>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The codes that start with one layer's name: `CodesOf<"WIRE">` is `"WIRE_LIMIT" | ...`. */
export type CodesOf<Layer extends string> = Extract<ErrorCode, `${Layer}_${string}`>;
