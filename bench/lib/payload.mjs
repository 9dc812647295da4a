// The same payloads for every subject.
export const object1k = (() => {
  const object = {
    id: 0,
    kind: "order",
    name: "Grace Brewster Hopper",
    email: "grace@example.org",
    active: true,
    score: 3.14159,
    parent: null,
    tags: ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"],
    address: {
      street: "1 Navy Way",
      city: "Arlington",
      zip: "22202",
      geo: { lat: 38.8816, lon: -77.091 },
    },
    lines: Array.from({ length: 8 }, (_, i) => ({
      sku: `SKU-${1000 + i}`,
      qty: i + 1,
      price: 9.75 + i,
      ts: 1_700_000_000_000 + i,
    })),
    note: "",
  };
  object.note = "x".repeat(1024 - JSON.stringify(object).length);
  return object;
})();

export function megabyte() {
  const bytes = Buffer.alloc(1 << 20);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31) & 255;
  return bytes;
}

export const sum3 = (bytes) => bytes.length + bytes[0] + bytes[bytes.length - 1];
