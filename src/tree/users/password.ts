import { nodeCrypto } from "../node-crypto.ts";

/** A password as it is kept: what it was hashed to, and how, so that old ones hold when we take more. */
export interface PasswordHash {
  readonly scheme: "scrypt";
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelism: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** 32 MiB and a quarter of a second for each guess (OWASP's figures for scrypt). */
const COST = 2 ** 15;
const BLOCK_SIZE = 8;
const PARALLELISM = 3;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** What is stored may ask for so much, and not for the whole machine. */
const MAX_MEMORY = 256 * 1024 * 1024;

const MIN_CHARS = 8;
const MAX_BYTES = 1_024;

/**
 * @throws TypeError for what is no text; RangeError where it is too short or too long
 */
function checkPassword(password: unknown): asserts password is string {
  if (typeof password !== "string") throw new TypeError("a password is text");
  if (password.length < MIN_CHARS) {
    throw new RangeError(`a password has ${MIN_CHARS} characters or more`);
  }
  if (Buffer.byteLength(password) > MAX_BYTES) {
    throw new RangeError(`a password has ${MAX_BYTES} bytes at most`);
  }
}

/** Takes a quarter of a second, on another thread. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  checkPassword(password);
  const how = {
    cost: COST,
    blockSize: BLOCK_SIZE,
    parallelism: PARALLELISM,
    salt: nodeCrypto().randomBytes(SALT_BYTES),
  };
  return { scheme: "scrypt", ...how, hash: await derive(password, how, HASH_BYTES) };
}

/**
 * Whether the password is the one. Without a hash it takes as long and answers false, so that the time
 * does not tell who exists.
 */
export async function isPassword(
  password: string,
  stored: PasswordHash | undefined,
): Promise<boolean> {
  if (Buffer.byteLength(password) > MAX_BYTES) return false;
  const { hash, ...how } = stored ?? NOBODY;
  const derived = await derive(password, how, hash.length);
  return nodeCrypto().timingSafeEqual(derived, hash) && stored !== undefined;
}

const NOBODY: PasswordHash = {
  scheme: "scrypt",
  cost: COST,
  blockSize: BLOCK_SIZE,
  parallelism: PARALLELISM,
  salt: new Uint8Array(SALT_BYTES),
  hash: new Uint8Array(HASH_BYTES),
};

function derive(
  password: string,
  {
    cost,
    blockSize,
    parallelism,
    salt,
  }: Pick<PasswordHash, "cost" | "blockSize" | "parallelism" | "salt">,
  bytes: number,
): Promise<Buffer> {
  const options = { cost, blockSize, parallelization: parallelism, maxmem: MAX_MEMORY };
  // The same letters may come composed or not, as a keyboard has it.
  const text = password.normalize("NFC");
  return new Promise((resolve, reject) => {
    nodeCrypto().scrypt(text, salt, bytes, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
