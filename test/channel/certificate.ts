import { X509Certificate } from "node:crypto";

import { generate } from "selfsigned";

export interface TestCertificate {
  readonly key: string;
  readonly cert: string;
  /** SHA-256, with colons. */
  readonly fingerprint: string;
}

/** A fresh self-signed certificate for 127.0.0.1 and localhost. */
export async function createCertificate(name = "localhost"): Promise<TestCertificate> {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  const { fingerprint256 } = new X509Certificate(made.cert);
  return { key: made.private, cert: made.cert, fingerprint: fingerprint256 };
}
