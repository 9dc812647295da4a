import { EngineError } from "../base/errors.ts";
import type { Remote } from "../remote/types.ts";
import type { Path } from "../wire/path.ts";
import type { Engine, EngineAccount } from "./engine.ts";
import { checkBytes, checkPath } from "./hub-checks.ts";

/** The name under which a hub exports its `HubAccountService`. */
export const ACCOUNT_EXPORT = "account";

/** What a client of a hub may ask about itself; an engine whose clients are nobody has nothing to say. */
export class HubAccountService implements EngineAccount {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  whoami(): ReturnType<EngineAccount["whoami"]> {
    return this.#account().whoami();
  }

  rights(path: Path): Promise<string> {
    return this.#account().rights(checkPath(path));
  }

  changePassword(old: string, password: string): Promise<void> {
    return this.#account().changePassword(old, password);
  }

  readSecret(path: Path): Promise<Uint8Array | undefined> {
    return this.#account().readSecret(checkPath(path));
  }

  writeSecret(path: Path, value: Uint8Array): Promise<void> {
    return this.#account().writeSecret(checkPath(path), checkBytes(value));
  }

  whyNotRun(user: string, code: Path): ReturnType<EngineAccount["whyNotRun"]> {
    return this.#account().whyNotRun(user, checkPath(code));
  }

  #account(): EngineAccount {
    const { account } = this.#engine;
    if (account === undefined)
      throw new EngineError("ENGINE_UNSUPPORTED", "nobody is somebody here");
    return account;
  }
}

export type RemoteAccount = Remote<HubAccountService, "copy">;
export type AskAccount = <T>(send: (account: RemoteAccount) => PromiseLike<T>) => Promise<T>;

/** The account of a client. `askOnce` does not ask again where the answer is lost. */
export function remoteAccount(ask: AskAccount, askOnce: AskAccount): EngineAccount {
  return {
    whoami: () => ask((account) => account.whoami()),
    rights: (path) => ask((account) => account.rights(path)),
    readSecret: (path) => ask((account) => account.readSecret(path)),
    writeSecret: (path, value) => ask((account) => account.writeSecret(path, value)),
    whyNotRun: (user, code) => ask((account) => account.whyNotRun(user, code)),
    // A second time it would be refused: the old one is not the old one any more.
    changePassword: (old, password) => askOnce((account) => account.changePassword(old, password)),
  };
}
