import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { dialSsh, type SshOptions } from "../../src/channel/ssh.ts";
import {
  bytes,
  type ChannelPair,
  collect,
  type PairLimits,
} from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "../channel/pair.ts";
import { acceptMarked } from "./accept-marked.ts";
import { ROOT, temporaryFolder } from "./kit.ts";
import { type Sshd, sshdMissing, startSshd } from "./sshd.ts";

const RELAY = join(ROOT, "test/system/processes/relay.mjs");
const NOISY = join(ROOT, "test/system/processes/noisy-echo.mjs");
const DEADLINE_MS = 20_000;

const missing = sshdMissing();
if (missing !== undefined)
  process.stderr.write(`\nSKIPPED: ssh against a real server: ${missing}\n\n`);

describe.skipIf(missing !== undefined)("dialSsh() to a real server", () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd[Symbol.asyncDispose]());

  function dial(command: SshOptions["command"], more: Partial<SshOptions> = {}): Promise<Channel> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    return dialSsh({ ...sshd.access, command, signal, ...more });
  }

  channelSuite({
    test: it,
    open: async ({ near, far }: PairLimits): Promise<ChannelPair> => {
      const folder = temporaryFolder();
      const path = join(folder.path, "s");
      const accepted = deferred<Channel>();
      const server = await acceptMarked(path, accepted.resolve, far);
      const channel = await dial([process.execPath, RELAY, path, "4", "3"], { limits: near });
      return disposablePair(channel, await accepted.promise, async () => {
        await server.close();
        folder[Symbol.dispose]();
      });
    },
  });

  it("keeps what the far side prints apart, and hands it to onLog", async () => {
    let log = "";
    await using channel = await dial([process.execPath, NOISY, join(ROOT, "build")], {
      onLog: (text) => (log += text),
    });
    const received = collect(channel);
    channel.send(bytes(1_000));
    await received.count(1);
    await channel.close();
    for (const word of ["logged", "written", "raw", "inherited"]) expect(log).toContain(word);
  });

  it("hands words to the command as they are, whatever a shell would make of them", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "it's $HOME");
    const words = ["a b", "'", '"', "$(id)", "`id`", "\\", "*", "", ";", "-x", "\nline"];
    const script =
      "require('fs').writeFileSync(process.argv[1], JSON.stringify(process.argv.slice(2)))";
    const channel = await dial([process.execPath, "-e", script, "--", file, ...words]);
    collect(channel);
    await channel.closed;
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(words);
  });

  it("says how the far side's command ended", async () => {
    const channel = await dial(["sh", "-c", "exit 7"]);
    collect(channel);
    expect(await channel.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      details: { exitCode: 7 },
    });
  });

  it("refuses a key that the server doesn't know, and asks nobody", async () => {
    using folder = temporaryFolder();
    await expect(dial(["true"], { identity: join(folder.path, "none") })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("Permission denied"),
    });
  });

  it("says what is wrong where no host has that name, and where nobody listens", async () => {
    await expect(dial(["true"], { host: "nowhere.invalid" })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringMatching(/resolve|nowhere\.invalid/),
    });
    await expect(dial(["true"], { port: 1 })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("refused"),
    });
  });
});

/** A program in place of `ssh`: it notes its arguments, and then does what `body` says. */
function fakeSsh(folder: string, body: string): string {
  const path = join(folder, "ssh");
  writeFileSync(
    path,
    `#!/bin/sh\nfor a in "$@"; do printf '%s\\n' "$a"; done > "$0.args"\n${body}\n`,
  );
  chmodSync(path, 0o700);
  return path;
}

describe("dialSsh()", () => {
  it("honours user, port, key, configuration and settings, and shields the host", async () => {
    using folder = temporaryFolder();
    const ssh = fakeSsh(folder.path, 'for last; do :; done; exec sh -c "$last"');
    const channel = await dialSsh({
      ssh,
      host: "box",
      user: "me",
      port: 2222,
      identity: "/keys/a b",
      config: "/etc/c",
      settings: { Compression: "no" },
      command: ["cat"],
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    await channel.close();
    const args = readFileSync(`${ssh}.args`, "utf8").split("\n");
    const text = args.join(" ");
    for (const part of ["-F /etc/c", "-i /keys/a b", "-p 2222", "-l me", "-o Compression=no"]) {
      expect(text).toContain(part);
    }
    expect(args).toContain("BatchMode=yes");
    expect(args[args.indexOf("--") + 1]).toBe("box");
  });

  it("skips what login scripts print before the first message", async () => {
    using folder = temporaryFolder();
    const echo = 'echo "Welcome!"; for last; do :; done; exec sh -c "$last"';
    const channel = await dialSsh({
      ssh: fakeSsh(folder.path, echo),
      host: "box",
      command: ["sh", "-c", "cat <&4 >&3"],
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const received = collect(channel);
    channel.send(bytes(5));
    await received.count(1);
    expect(received.messages).toEqual([bytes(5)]);
    await channel.close();
  });

  it.each(["-oProxyCommand=touch /tmp/x", "a b", "", "a\nb"])(
    "takes no host %j, and starts nothing",
    async (host) => {
      using folder = temporaryFolder();
      const ssh = fakeSsh(folder.path, "exit 0");
      const signal = AbortSignal.timeout(DEADLINE_MS);
      await expect(dialSsh({ ssh, host, command: ["true"], signal })).rejects.toThrow(TypeError);
      const user = host;
      await expect(dialSsh({ ssh, host: "box", user, command: ["true"], signal })).rejects.toThrow(
        TypeError,
      );
      expect(existsSync(`${ssh}.args`)).toBe(false);
    },
  );

  it("gives up when its signal does, and leaves no process", async () => {
    using folder = temporaryFolder();
    const ssh = fakeSsh(folder.path, 'echo $$ > "$0.pid"; exec sleep 60');
    const controller = new AbortController();
    const dialling = dialSsh({ ssh, host: "box", command: ["true"], signal: controller.signal });
    await expect
      .poll(() => existsSync(`${ssh}.pid`) && readFileSync(`${ssh}.pid`, "utf8"))
      .toMatch(/\n/);
    controller.abort(new Error("enough"));
    await expect(dialling).rejects.toThrow("enough");
    const pid = Number(readFileSync(`${ssh}.pid`, "utf8"));
    await expect
      .poll(
        () => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "latin1"),
      )
      .toBeFalsy();
  });

  it("says CHANNEL_REFUSED where there is no ssh", async () => {
    const options = { ssh: "/nowhere/ssh", host: "box", command: ["true"] as const };
    const signal = AbortSignal.timeout(DEADLINE_MS);
    await expect(dialSsh({ ...options, command: ["true"], signal })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "ENOENT" },
    });
  });
});
