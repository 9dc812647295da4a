import { connect, type SecureContextOptions, type TLSSocket } from "node:tls";

import { type HostAndPort, refused, untilOpen } from "./network.ts";

/** Who one side of a TLS connection is, and whom it trusts. Keys and certificates are PEM. */
export interface TlsIdentity {
  readonly key?: string | Uint8Array | undefined;
  readonly cert?: string | Uint8Array | undefined;
  /** Trusted instead of the system's authorities. */
  readonly ca?: string | Uint8Array | readonly string[] | undefined;
  /**
   * SHA-256 fingerprints of the certificates that the peer may show, in hexadecimal, with or without
   * colons. Such a certificate is trusted whoever signed it, and for every host name.
   */
  readonly fingerprints?: readonly string[] | undefined;
}

interface TlsSettings extends SecureContextOptions {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

/** `identity` as Node's `tls` takes it, at either end. */
export function tlsSettings(identity: TlsIdentity): TlsSettings {
  const { key, cert, ca } = identity;
  const pinned = pinsOf(identity) !== undefined;
  return {
    ...(key === undefined ? {} : { key: pem(key) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(ca === undefined ? {} : { ca: isList(ca) ? [...ca] : pem(ca) }),
    requestCert: pinned || ca !== undefined,
    // What is pinned needs no authority: `hasTrustedCertificate` looks at it, before anything else.
    rejectUnauthorized: !pinned,
  };
}

/**
 * A TLS connection to a server whose certificate is trusted.
 *
 * @throws ChannelError `CHANNEL_REFUSED`; the signal's reason
 */
export async function connectTls(
  where: HostAndPort,
  identity: TlsIdentity,
  context: { readonly address: string; readonly signal: AbortSignal },
): Promise<TLSSocket> {
  const settings = { ...where, ...tlsSettings(identity), allowHalfOpen: true };
  const socket = connect(settings);
  await untilOpen(socket, "secureConnect", context);
  if (hasTrustedCertificate(socket, identity)) return socket;
  socket.destroy();
  throw refused(`the certificate of ${context.address} has none of the expected fingerprints`);
}

/** Whether the peer shows a certificate that is pinned, where any is. The rest `tls` has checked. */
export function hasTrustedCertificate(socket: TLSSocket, identity: TlsIdentity): boolean {
  const pins = pinsOf(identity);
  if (pins === undefined) return true;
  // The types promise a certificate; without one it is an empty object.
  const { fingerprint256 } = socket.getPeerCertificate() as { readonly fingerprint256?: string };
  return fingerprint256 !== undefined && pins.includes(bare(fingerprint256));
}

function pinsOf({ fingerprints }: TlsIdentity): readonly string[] | undefined {
  const pins = fingerprints?.map(bare);
  const wrong = pins?.find((pin) => !/^[0-9A-F]{64}$/.test(pin));
  if (wrong !== undefined) throw new TypeError(`not a SHA-256 fingerprint: ${wrong}`);
  return pins;
}

function bare(fingerprint: string): string {
  return fingerprint.replaceAll(":", "").toUpperCase();
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}

function isList(ca: string | Uint8Array | readonly string[]): ca is readonly string[] {
  return Array.isArray(ca);
}
