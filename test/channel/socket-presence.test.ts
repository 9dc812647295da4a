import { describe, expect, it } from "vitest";

import { findPresence } from "../../src/channel/socket-presence.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

/** A table with one connection from port 8080 to port 443. */
function table(queue: string, retransmits: string, probes: number, more = ""): string {
  const line = `   1: 0100007F:1F90 0200000A:01BB 01 ${queue}:00000000 01:00000014 ${retransmits} 1000 ${probes} 4711 2 0`;
  return `${HEAD}\n${line}\n${more}`;
}

describe("findPresence()", () => {
  it.each([
    ["busy", "everything is acknowledged", table("00000000", "00000000", 0)],
    ["busy", "something is under way", table("00000010", "00000000", 0)],
    ["busy", "one attempt got no answer yet", table("00000010", "00000001", 0)],
    ["busy", "its buffers are full, and it says so", table("00100000", "00000000", 1)],
    ["gone", "several attempts got no answer", table("00000010", "00000003", 0)],
    ["gone", "nobody answers how full it is", table("00100000", "00000000", 4)],
    ["gone", "there were more than nine attempts", table("00000010", "0000000A", 0)],
  ])("says %s where %s", (presence, _, text) => {
    expect(findPresence(text, 8080, 443)).toBe(presence);
  });

  it("says unknown where the connection is not listed, or ports are not enough to tell", () => {
    const other = table("00000010", "00000003", 0);
    expect(findPresence(other, 443, 8080)).toBe("unknown");
    expect(findPresence(HEAD, 8080, 443)).toBe("unknown");
    const second = other.split("\n")[1]?.replace("0200000A", "0300000A");
    expect(findPresence(table("00000010", "00000003", 0, second), 8080, 443)).toBe("unknown");
  });
});
