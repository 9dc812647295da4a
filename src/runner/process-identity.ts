import { readFileSync, readlinkSync } from "node:fs";

/**
 * Names one process so surely that its end is certain: a process id alone is used again. Whoever
 * needs to know whether a process of this machine is gone (a node about another node, a hub about its
 * predecessor) uses this file.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in ticks since boot; 0 where that can't be told. */
  readonly start: number;
  /** The machine, as it was booted, and the namespace of its pids; "" where that can't be told. */
  readonly host: string;
}

/** This process. Reads `/proc` once. */
export function ownProcess(): ProcessIdentity {
  own ??= { pid: process.pid, start: startOf(process.pid) ?? 0, host: readHost() };
  return own;
}

let own: ProcessIdentity | undefined;

/**
 * Whether that process is certainly gone: it was on this machine since it was booted, and its pid is
 * free or another process's. False also means "can't tell". A process that has ended but was not yet
 * waited for is gone: it runs no more.
 */
export function isCertainlyGone(identity: ProcessIdentity): boolean {
  const { host } = ownProcess();
  if (host === "" || identity.host !== host || identity.start === 0) return false;
  if (!Number.isSafeInteger(identity.pid) || identity.pid <= 0) return false;
  return startOf(identity.pid) !== identity.start && !isUnreadable(identity.pid);
}

/** The same where it may be that nothing better can be told than whether there is a process of that number. */
export function isProbablyGone(identity: ProcessIdentity): boolean {
  return identity.host === "" ? isFree(identity.pid) : isCertainlyGone(identity);
}

/**
 * Whether that process is there and stopped (SIGSTOP, Ctrl-Z, a debugger): it holds what it holds, and
 * answers nobody until somebody lets it go on. False also means "can't tell".
 */
export function isStopped(identity: ProcessIdentity): boolean {
  if (identity.host !== ownProcess().host || identity.start === 0) return false;
  const fields = statFields(identity.pid);
  const state = fields?.[0];
  return Number(fields?.[19]) === identity.start && (state === "T" || state === "t");
}

/** There is such a process, but /proc does not show it: that proves nothing. */
function isUnreadable(pid: number): boolean {
  return startOf(pid) === undefined && !isFree(pid) && !isZombie(pid);
}

function isFree(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function isZombie(pid: number): boolean {
  const state = statFields(pid)?.[0];
  return state === "Z" || state === "X";
}

/** Ticks since boot; `undefined` where there is no such process, or one that has ended. */
function startOf(pid: number): number | undefined {
  const fields = statFields(pid);
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  const start = Number(fields[19]);
  return Number.isSafeInteger(start) ? start : undefined;
}

/** What follows the name in `/proc/PID/stat`: the name may hold blanks and brackets. See proc(5). */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function readHost(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot}/${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}
