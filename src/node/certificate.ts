import { X509Certificate } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";

import { NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { TreePlaces } from "./tree-folder.ts";

/** Who a hub is to those who reach it over a network. Key and certificate are PEM. */
export interface HubCertificate {
  readonly key: string;
  readonly cert: string;
  /** SHA-256 of the certificate: 64 hexadecimal digits. Clients know the hub by it. */
  readonly fingerprint: string;
}

/** Nobody looks at the dates of a certificate that is known by its fingerprint. */
const YEARS = 30;

/**
 * The certificate of a tree's hub: what lies in its folder, or a new one, signed by itself and kept
 * there for this user alone. Whoever has a better one puts it in its place.
 *
 * @throws NodeError `NODE_HUB_FAILED` where key and certificate are unusable
 */
export async function hubCertificate(places: TreePlaces): Promise<HubCertificate> {
  const [key, cert] = await Promise.all([read(places.hubKey), read(places.hubCertificate)]);
  if (key === undefined || cert === undefined) return makeCertificate(places);
  try {
    return { key, cert, fingerprint: fingerprintOf(cert) };
  } catch (error) {
    const says = `${places.hubCertificate} is no certificate; mend it, or remove it and its key`;
    throw new NodeError("NODE_HUB_FAILED", says, { cause: error });
  }
}

async function makeCertificate(places: TreePlaces): Promise<HubCertificate> {
  // Only a hub that listens for the first time needs it.
  const { generate } = await import("selfsigned");
  const now = new Date();
  const end = new Date(now);
  end.setFullYear(now.getFullYear() + YEARS);
  const made = await generate([{ name: "commonName", value: "banyan hub" }], {
    keyType: "ec",
    notBeforeDate: now,
    notAfterDate: end,
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 2, value: hostname() }] },
    ],
  });
  await write(places.hubKey, made.private);
  await write(places.hubCertificate, made.cert);
  return { key: made.private, cert: made.cert, fingerprint: fingerprintOf(made.cert) };
}

function fingerprintOf(cert: string): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase();
}

async function read(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** Appears whole, and is never open to others. */
async function write(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomId()}`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
