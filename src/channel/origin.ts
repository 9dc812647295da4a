import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

/**
 * Whether a request may open a WebSocket. A browser opens one to any server for any page, and says
 * which page that is: without this check every site could use what listens on the visitor's machine.
 * Who sends no origin is no page.
 *
 * Where `origins` is not given, the page has to come from the very server that it asks. A name does
 * not prove that, for whoever owns a name can let it point here: only `localhost` and addresses do.
 */
export function isAllowedOrigin(
  { origin, host = "" }: IncomingHttpHeaders,
  origins: readonly string[] | undefined,
): boolean {
  if (origin === undefined) return true;
  if (origins !== undefined) return origins.includes(origin);
  if (origin !== `http://${host}` && origin !== `https://${host}`) return false;
  const { hostname } = new URL(origin);
  return hostname === "localhost" || isIP(hostname.replace(/^\[(.*)\]$/, "$1")) !== 0;
}
