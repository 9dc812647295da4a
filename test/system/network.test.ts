/** The hub on the network: real processes, the built package. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";

import { CodeRoot, JobRoot, open, runNode, type Tree } from "banyan";
import { expect, onTestFinished, test, vi } from "vitest";

import { banyan, COMMAND, hubPid, inProcess, temporaryFolder } from "./kit.ts";
import { addressOf, listenAt, listeningTree, PASSWORD, ROOT, tap } from "./network-kit.ts";

test("AU1 a tree on the network wants a user, in the API and the command; its folder needs none", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await local.set("a", 123);
  await expect(open(address())).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  const anonymous = await banyan(["-t", address(), "data", "get", "a"]);
  expect(anonymous).toMatchObject({ code: 5, stdout: "" });
  const asRoot = await banyan(["-t", address(), "-u", "root", "data", "get", "a"], {
    env: { BANYAN_PASSWORD: PASSWORD },
  });
  expect(asRoot).toMatchObject({ code: 0, stdout: "123\n" });
  await using tree = await open(address(), { credentials: ROOT });
  await tree.set("a", 124);
  expect(await local.get("a")).toBe(124);
  for (const name of ["hub.key", "hub.crt"]) {
    expect(statSync(join(folder.path, ".banyan", name)).mode & 0o777).toBe(0o600);
  }
});

test("AU3 AU4 the command is told what was wrong: the method, no login, no name; and gets in when all is right", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await local.set("a", "there");
  const root = { BANYAN_USER: "root", BANYAN_PASSWORD: PASSWORD };
  const get = (env: Record<string, string>) =>
    banyan(["-t", address(), "data", "get", "a"], { env });
  const methods = await banyan(["-t", folder.path, "user", "methods", "token"]);
  expect(methods).toMatchObject({ code: 0, stdout: expect.stringContaining("token") });
  const byMethod = await get(root);
  expect(byMethod).toMatchObject({ code: 5, stdout: "" });
  expect(byMethod.stderr).toMatch(/nobody is let in by password at tls:.*; it takes: token/);
  // A program tells by the details what it is to ask its user for.
  const wants = async (credentials?: object): Promise<unknown> => {
    const given = credentials === undefined ? {} : { credentials: credentials as never };
    const error = await open(address(), given).catch((e: unknown) => e);
    return [Object(error).code, Object(error).details?.wants];
  };
  expect(await wants(ROOT)).toEqual(["REMOTE_DENIED", ["token"]]);
  await local.users.setLoginMethods(["password", "token"]);
  expect(await wants()).toEqual(["REMOTE_DENIED", "login"]);
  expect(await wants({ ...ROOT, password: "another" })).toEqual(["REMOTE_DENIED", undefined]);
  const none = await get({});
  expect(none).toMatchObject({ code: 5, stderr: expect.stringContaining("wants to know who") });
  const nameless = await get({ BANYAN_PASSWORD: PASSWORD });
  expect(nameless).toMatchObject({ code: 2, stderr: expect.stringContaining("without a name") });
  expect(await get(root)).toMatchObject({ code: 0, stdout: "there\n" });
  for (const credentials of [{ user: "", password: "x" }, { password: "x" }, { token: 5 }, {}]) {
    await expect(open(address(), { credentials: credentials as never })).rejects.toMatchObject({
      code: "NODE_BAD_CREDENTIALS",
    });
  }
});

test("AU2 user ls tells who there is, of what kind and how they get in, and show no more", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await local.users.add("box", { kind: "node", roles: ["node"] });
  const { token } = await local.users.addToken("box");
  vi.stubEnv("BANYAN_PASSWORD", PASSWORD);
  onTestFinished(() => void vi.unstubAllEnvs());
  const user = (...args: string[]): ReturnType<typeof inProcess> =>
    inProcess(["-t", address(), "-u", "root", ...args]);
  expect(await user("user", "ls")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /^box\tnode\tnode\ttoken\t.*\nroot\tuser\tadmin\tpassword\t.*\n$/,
    ),
  });
  const { stdout } = await user("-o", "json", "user", "ls");
  expect(JSON.parse(stdout)).toMatchObject([
    { name: "box", kind: "node", methods: ["token"] },
    { name: "root", kind: "user", methods: ["password"] },
  ]);
  const shown = await user("user", "show", "box");
  for (const text of [stdout, shown.stdout]) expect(text).not.toContain(token.slice(-43));
});

test("user jobs tells what somebody set, and disables what they might not set any more", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await local.users.add("ann", { roles: ["developer"], password: PASSWORD });
  await using ann = await open(address(), { credentials: { user: "ann", password: PASSWORD } });
  const mine = await JobRoot.open(ann);
  await mine.set("a.job", { code: "heat", target: null });
  await mine.set("another", { code: "light", target: null });
  const jobs = (...more: string[]): ReturnType<typeof inProcess> =>
    inProcess(["-t", folder.path, "user", "jobs", "ann", ...more]);
  expect((await jobs()).stdout).toMatch(/^a\.job\theat\tyes\tyes\t.*\nanother\tlight\tyes\tyes\t/);
  expect((await jobs("--disable")).stderr).toContain("ann may run all that their jobs run");
  // Of two patterns the one that spells more out holds.
  await local.roles.set("no-heat", ":.banyan.code.proc.light", "x");
  await local.users.set("ann", { roles: ["no-heat"] });
  expect((await jobs()).stdout).toMatch(/^a\.job\theat\tno\tyes\t.*\nanother\tlight\tyes\tyes\t/);
  expect((await jobs("--disable")).stderr).toBe("job a.job disabled\n");
  const all = await JobRoot.open(local);
  expect((await all.get("a.job"))?.enabled).toBe(false);
  expect((await all.get("another"))?.enabled).toBe(true);
});

test("a node on the network starts the job of a user for as long as they may run its code", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await using code = await CodeRoot.open(local);
  await code.add("beat", { code: "return 1", is_async: true });
  await local.users.add("ann", { roles: ["developer"], password: PASSWORD });
  await local.users.add("pi", { roles: ["node"] });
  const { token } = await local.users.addToken("pi");
  await using ann = await open(address(), { credentials: { user: "ann", password: PASSWORD } });
  await (await JobRoot.open(ann)).set("heart", { code: "beat", repeat: 0.2 });
  await using pi = await open(address(), { credentials: { token } });
  await using node = await runNode({ tree: pi, name: "pi" });
  expect(node.holdsLease).toBe(true);
  const jobs = await JobRoot.open(local);
  const poll = { timeout: 30_000, interval: 50 };
  const lastToken = async (): Promise<number> => (await jobs.state("heart"))?.token ?? 0;
  await vi.waitFor(async () => expect(await lastToken()).toBeGreaterThan(0), poll);

  await local.roles.set("no-beat", ":.banyan.#", "re");
  await local.users.set("ann", { roles: ["no-beat"] });
  const table = async (): Promise<string> =>
    (await inProcess(["-t", folder.path, "job", "ls"])).stdout;
  await vi.waitFor(
    async () => expect(await table()).toMatch(/^heart\tbeat\t.*\tdenied\tpi\t/),
    poll,
  );
  const last = await lastToken();
  const { stdout } = await inProcess(["-t", folder.path, "job", "why", "heart"]);
  expect(stdout).toContain("ann, who set the job, has no right x to run it any more");
  await local.users.set("ann", { roles: ["developer"] });
  await vi.waitFor(async () => expect(await lastToken()).toBeGreaterThan(last), poll);
  await vi.waitFor(async () => expect(await table()).not.toContain("denied"), poll);
});

test("a join that is killed at any moment is finished by the same line, and passes for nothing before", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  // At the beginning, and about when it is let in.
  for (const pieces of [1, 6]) {
    const name = `n${pieces}`;
    using away = temporaryFolder();
    const { stdout } = await inProcess(["-t", folder.path, "invite"]);
    const child: { process?: ChildProcess } = {};
    await using way = await tap(address(), (count) => {
      if (count === pieces) child.process?.kill("SIGKILL");
    });
    const token = stdout.trim().split(".bt_").at(-1);
    const command = ["join", `${way.address}.bt_${token}`, away.path, "-n", name];
    child.process = spawn(process.execPath, [COMMAND, ...command], { stdio: "ignore" });
    await once(child.process, "exit");
    const isDone = existsSync(`${away.path}/.banyan/joined.json`);
    const taken = await inProcess(["-t", away.path, "data", "get", "nothing"]);
    const says = "the same line and name again";
    const left = {
      code: taken.code,
      said: taken.stderr.includes(says),
      store: existsSync(`${away.path}/.banyan/store`),
    };
    expect(left).toEqual({ code: isDone ? 3 : 6, said: !isDone, store: false });
    const again = await inProcess(command);
    expect(again).toMatchObject({ code: isDone ? 4 : 0 });
    await using tree = await open(away.path);
    expect(await tree.users.me()).toMatchObject({ name });
    expect(readdirSync(`${away.path}/.banyan`)).toEqual(["joined.json"]);
  }
  const users = await local.users.list();
  expect(users.map(({ name }) => name)).toEqual(["n1", "n6", "root"]);
  // Nobody was taken for a thief of an invitation.
  for await (const record of local.errors.list()) expect(record).toBeUndefined();
});

test.each([".banyan", ".banyan/hub.json"])(
  "user add that is killed when it has made %s can be called again, and adds one user, whole",
  async (file) => {
    using folder = temporaryFolder();
    const args = ["user", "add", "ann", "-r", "reader", "-p"];
    const killed = spawn(process.execPath, [COMMAND, ...args], {
      cwd: folder.path,
      stdio: ["pipe", "ignore", "ignore"],
    });
    killed.stdin.end(PASSWORD);
    const ended = once(killed, "exit");
    while (killed.exitCode === null && !existsSync(join(folder.path, file))) {
      await new Promise((resolve) => void setImmediate(resolve));
    }
    killed.kill("SIGKILL");
    await ended;
    const again = await inProcess(args, PASSWORD, folder.path);
    // It may have been done when it was killed.
    const isDone = again.code === 4 && again.stderr.includes("there is a user");
    expect(again.code === 0 || isDone).toBe(true);
    await using tree = await open(folder.path);
    expect(await tree.users.list()).toMatchObject([
      { name: "ann", roles: ["reader"], disabled: false, methods: ["password"] },
    ]);
  },
);

test("AU5 a wrong password and a name that is none are told apart in the hub's log alone", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { address } = home;
  const say = async (credentials: object): Promise<string> => {
    const error = await open(address(), { credentials: credentials as typeof ROOT }).catch(
      (e) => e,
    );
    return `${error.code}: ${error.message}`;
  };
  const [wrong, nobody, token] = await Promise.all([
    say({ user: "root", password: "something else" }),
    say({ user: "hunter2hunter2", password: PASSWORD }),
    say({ token: "bt_0000000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
  ]);
  expect(new Set([wrong, nobody, token])).toEqual(
    new Set(["REMOTE_DENIED: the peer refused the session: the credentials were not accepted"]),
  );
  const log = readFileSync(join(folder.path, ".banyan/hub.log"), "utf8");
  expect(log).toContain("wrong password of root");
  expect(log).toContain("no such user");
  expect(log).toContain("no such token");
  for (const secret of ["something else", PASSWORD, "hunter2"]) expect(log).not.toContain(secret);
});

test("AU6 nothing of a login or a value can be read on the way, and another's certificate gets no password", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await using way = await tap(address());
  const { token } = await local.users.addToken("root");
  await using tree = await open(way.address, { credentials: ROOT });
  await tree.set("a", "a very clear text");
  await using byToken = await open(way.address, { credentials: { token } });
  expect(await byToken.get("a")).toBe("a very clear text");
  const seen = Buffer.concat(way.seen);
  expect(seen.length).toBeGreaterThan(1_000);
  for (const secret of [PASSWORD, token, "a very clear text", "root"]) {
    expect(seen.includes(secret)).toBe(false);
  }
  const other = `${way.address.split("#")[0]}#${"0".repeat(64)}`;
  await expect(open(other, { credentials: ROOT })).rejects.toMatchObject({
    code: "CHANNEL_REFUSED",
  });
  await expect(open(other.split("#")[0], { credentials: ROOT })).rejects.toThrow("fingerprint");
});

test("AU7 over TLS get, set, list and watch do what they do at home", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await using tree = await open(address(), { credentials: ROOT });
  await tree.set("house.lamp", { on: true });
  await tree.set("house.door", [1, 2n, new Uint8Array([3])]);
  expect(await local.get("house.door")).toEqual([1, 2n, new Uint8Array([3])]);
  const { revision } = await tree.set(":", 123);
  expect(await tree.get(":")).toBe(123);
  const second = await tree.set(":", 1234);
  expect(second.previous).toMatchObject({ value: 123, revision });
  expect(second.revision).toBeGreaterThan(revision);
  expect((await tree.list("house").toArray()).map(({ name }) => name)).toEqual(["door", "lamp"]);
  expect(await tree.walk(":", { maxDepth: 0 }).toArray()).toMatchObject([{ value: 1234 }]);
  expect((await tree.walk("house").toArray()).map(({ path }) => path.toString())).toEqual([
    "house.door",
    "house.lamp",
  ]);
  await using watch = tree.watch("house", { current: false });
  const events = watch[Symbol.asyncIterator]();
  await events.next();
  await local.set("house.lamp", { on: false });
  expect((await events.next()).value).toMatchObject({
    type: "put",
    entry: { value: { on: false } },
  });
});

test("AC1 AC5 AC7 the command obeys a user's rights, and exits with 5 where there are none", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  await local.roles.set("foo", "one", "rxnc");
  await local.roles.set("foo", ":.banyan.code.#", "re");
  await local.users.add("aclix", { roles: ["foo"] });
  const { token } = await local.users.addToken("aclix");
  await local.set(":.banyan.code.proc.f", { code: "return 1", vars: [] });
  await local.set(":.banyan.job.j", { code: ["f"] });
  vi.stubEnv("BANYAN_TOKEN", token);
  onTestFinished(() => void vi.unstubAllEnvs());
  const say = (...args: string[]): ReturnType<typeof inProcess> =>
    inProcess(["-t", address(), ...args]);
  expect(await banyan(["-t", folder.path, "acl", "set", "foo", "one.two", "rc"])).toMatchObject({
    code: 0,
  });
  for (const line of ["data set one 10", "data set one.two 11", "data get one.two"]) {
    expect(await say(...line.split(" "))).toMatchObject({ code: 0 });
  }
  for (const line of [
    "data set one.two.three 12",
    "data set one.two 22",
    "data ls one",
    "code call f",
    "job set k -c f",
    "job cancel j",
  ]) {
    const { code, stderr } = await say(...line.split(" "));
    expect([line, code]).toEqual([line, 5]);
    expect(stderr).toContain("ENGINE_DENIED");
  }
  expect([await local.get("one"), await local.get("one.two")]).toEqual([10, 11]);
  expect(await local.walk(":.banyan.job").toArray()).toHaveLength(1);
});

test("a hub that takes over listens again, and clients on the network go on", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  // A port that stays the same.
  const port = new URL(address().replace("tls:", "http:")).port;
  listenAt(folder.path, `tls://127.0.0.1:${port}`);
  const first = hubPid(folder.path) as number;
  await vi.waitFor(() => expect(addressOf(folder.path)).toContain(`:${port}#`), {
    timeout: 30_000,
  });
  await using tree = await open(address(), { credentials: ROOT });
  await using watch = tree.watch("a", { current: false });
  const events = watch[Symbol.asyncIterator]();
  await events.next();
  process.kill(first, "SIGKILL");
  await tree.set("a", "over the network");
  expect(hubPid(folder.path)).not.toBe(first);
  for (;;) {
    const { value } = await events.next();
    if (value?.type === "put") break;
    expect(["stale", "live"]).toContain(value?.type);
  }
  expect(await local.get("a")).toBe("over the network");
  listenAt(folder.path);
  await vi.waitFor(() => expect(addressOf(folder.path)).toBeUndefined(), { timeout: 30_000 });
});

test("who loses the right to be there is cut off at once, and told so", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  const { id, token } = await local.users.addToken("root");
  await using byToken = await open(address(), { credentials: { token } });
  await using byPassword = await open(address(), { credentials: ROOT });
  await Promise.all([byToken.get("a"), byPassword.get("a")]);
  const watched = drain(byToken);
  await local.users.removeToken("root", id);
  await expect(byToken.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  await expect(watched).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  expect(await byPassword.get("a")).toBeUndefined();
  await local.users.set("root", { disabled: true });
  await expect(byPassword.set("a", 1)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  expect(await local.get("a")).toBeUndefined();
});

test("strangers who say nothing, or nonsense, or too much, harm nobody", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  const { hostname, port } = new URL(address().replace("tls:", "http:"));
  const sockets = Array.from({ length: 100 }, (_, i) => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    if (i % 2 === 0) socket.write(Buffer.alloc(1_000, i));
    return socket;
  });
  // Those with whom the hub speaks TLS already are strangers as well.
  for (let i = 0; i < 80; i++) {
    const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false });
    socket.on("error", () => {});
    sockets.push(socket);
    await once(socket, "secureConnect");
  }
  await using tree = await open(address(), { credentials: ROOT });
  await tree.set("a", 1);
  expect(await local.get("a")).toBe(1);
  for (const socket of sockets) socket.destroy();
});

test("up --listen and --no-listen say where hubs listen; what is no TLS is refused", async () => {
  using folder = temporaryFolder();
  for (const url of ["tcp://127.0.0.1:0", "ws://127.0.0.1:0", "tls://nowhere", "127.0.0.1"]) {
    const { code, stderr } = await banyan(["-t", folder.path, "up", "--listen", url]);
    expect(code).toBe(2);
    expect(stderr).toContain("tls://");
  }
  const up = spawn(process.execPath, [COMMAND, "-t", folder.path, "up", "--listen", "tls://127.0.0.1:0"]); // prettier-ignore
  let said = "";
  up.stderr.on("data", (text) => (said += text));
  await vi.waitFor(() => expect(addressOf(folder.path)).toBeDefined(), { timeout: 30_000 });
  await vi.waitFor(() => expect(said).toContain(addressOf(folder.path)), { timeout: 30_000 });
  up.kill("SIGINT");
  await new Promise((done) => up.once("exit", done));
  const off = new AbortController();
  const noListen = banyan(["-t", folder.path, "up", "--no-listen"], { signal: off.signal });
  await vi.waitFor(() => expect(hubPid(folder.path)).toBeDefined(), { timeout: 30_000 });
  expect(addressOf(folder.path)).toBeUndefined();
  off.abort();
  await noListen;
});

async function drain(tree: Tree): Promise<void> {
  const events = tree.watch("a")[Symbol.asyncIterator]();
  while ((await events.next()).done !== true);
}
