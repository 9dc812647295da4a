import { describe, expect, it } from "vitest";

import type { OpenShipment } from "../../src/code/link.ts";
import { OpenShipments } from "../../src/code/open-shipments.ts";
import type { Shipment } from "../../src/code/unit.ts";

const shipment = (id: string, key: string, resolveFrom = "file:///a/"): Shipment => ({
  id,
  key,
  resolveFrom,
  units: [],
});

/** Notes in order what is linked and what is let go. */
function openNoted(): { readonly open: OpenShipments; readonly seen: string[] } {
  const seen: string[] = [];
  const link = async ({ id, key }: Shipment): Promise<OpenShipment> => {
    if (key === "bad") throw new Error("can't be linked");
    seen.push(`+${id}@${key}`);
    const dispose = (): void => void seen.push(`-${id}@${key}`);
    return { [Symbol.dispose]: dispose } as OpenShipment;
  };
  return { open: new OpenShipments(link), seen };
}

describe("OpenShipments", () => {
  it("links a version once, and lets the old one go when the new one is there", async () => {
    const { open, seen } = openNoted();
    const first = await open.open(shipment("proc:a", "1"));
    expect(await open.open(shipment("proc:a", "1"))).toBe(first);
    await open.open(shipment("proc:b", "1"));
    await open.open(shipment("proc:a", "2"));
    expect(seen).toEqual(["+proc:a@1", "+proc:b@1", "+proc:a@2", "-proc:a@1"]);
    expect(open.size).toBe(2);
  });

  it("keeps apart what is resolved from different directories", async () => {
    const { open, seen } = openNoted();
    await open.open(shipment("proc:a", "1"));
    await open.open(shipment("proc:a", "1", "file:///b/"));
    expect([open.size, seen.length]).toEqual([2, 2]);
  });

  it("keeps the old version where the new one can't be linked", async () => {
    const { open, seen } = openNoted();
    await open.open(shipment("proc:a", "1"));
    await expect(open.open(shipment("proc:a", "bad"))).rejects.toThrow("can't be linked");
    await open.open(shipment("proc:a", "1"));
    expect(seen).toEqual(["+proc:a@1"]);
  });

  it("lets go what was not used for longest, beyond 256", async () => {
    const { open, seen } = openNoted();
    for (let i = 0; i < 256; i++) await open.open(shipment(`proc:p${i}`, "1"));
    await open.open(shipment("proc:p0", "1"));
    await open.open(shipment("proc:more", "1"));
    expect(open.size).toBe(256);
    expect(seen.filter((text) => text.startsWith("-"))).toEqual(["-proc:p1@1"]);
  });
});
