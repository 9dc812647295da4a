/**
 * Hears of the failure of what somebody's function returned, where that is a promise: one that nobody
 * hears of ends the process.
 */
export function onRejection(returned: unknown, hear: (error: unknown) => void): void {
  if (typeof Object(returned).then === "function") Promise.resolve(returned).catch(hear);
}
