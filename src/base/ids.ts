const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** A name that nobody else draws: 80 random bits as 16 characters of Crockford's base 32. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let id = "";
  for (const byte of bytes) id += ALPHABET[byte & 31];
  return id;
}
