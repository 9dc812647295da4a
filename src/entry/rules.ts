/** The process that runs the code of rules for a hub, or for a program without one, which talks to it over one pipe. */
import { stdioChannel } from "../channel/child.ts";
import { RuleMachine } from "../code/rules/rule-machine.ts";
import { LIMIT_MS, PROCESS_MB } from "../code/rules/rule-work.ts";
import { watchThread } from "../gateway/watchdog.ts";
import { openSession } from "../remote/session.ts";

const PIPE = 3;

// What code leaves behind, as a promise that nobody handles, is nobody's affair.
for (const event of ["uncaughtException", "unhandledRejection"] as const)
  process.on(event, () => {});
// Ctrl-C is for the hub, which ends this process.
process.on("SIGINT", () => {});

// Where code keeps this thread from noticing that the hub has gone, or from answering: what it leaves to
// promises and timers runs under no limit otherwise.
const guarded = watchThread(LIMIT_MS, PROCESS_MB);

const session = await openSession(stdioChannel({ read: PIPE, write: PIPE }), {
  exports: { machine: new RuleMachine({ limitMs: LIMIT_MS, guarded }) },
  plain: "copy",
  name: "rules",
  heartbeat: false,
});
await session.closed;
process.exit(0);
