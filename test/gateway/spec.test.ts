import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { checkSpec, formatSpec, parseSpec } from "../../src/gateway/spec.ts";
import { parseSshWords } from "../../src/gateway/ssh-words.ts";

function refusal(text: string): string {
  try {
    parseSpec(text);
  } catch (error) {
    if (BanyanError.has(error, "GATEWAY_BAD_SPEC")) return error.message;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe("parseSpec()", () => {
  it("reads every part (G12)", () => {
    expect(
      parseSpec("popen//id=x//env:A=1//env:B=//chdir=d/e//nice=5//node=/p/node//via=gw0"),
    ).toEqual({
      popen: true,
      id: "x",
      env: { A: "1", B: "" },
      chdir: "d/e",
      nice: 5,
      node: "/p/node",
      via: "gw0",
    });
  });

  it("reads the other kinds", () => {
    expect(parseSpec("worker")).toEqual({ worker: true });
    expect(parseSpec("socket=127.0.0.1:8888//nice=-3")).toEqual({
      socket: "127.0.0.1:8888",
      nice: -3,
    });
    expect(parseSpec("ssh=-p 22 me@box//ssh_config=/etc/c")).toEqual({
      ssh: "-p 22 me@box",
      sshConfig: "/etc/c",
    });
  });

  it("keeps what is in a value, also an equals sign", () => {
    expect(parseSpec("popen//env:URL=http:/x?a=b").env).toEqual({ URL: "http:/x?a=b" });
    expect(parseSpec("popen//env:__proto__=x").env).toEqual(JSON.parse('{"__proto__":"x"}'));
  });

  it.each([
    ["popen//id=a//id=b", "id is there twice"],
    ["popen//popen", "popen is there twice"],
    ["popen//env:A=1//env:A=2", "env:A is there twice"],
    ["popen//ssh=box", "popen and ssh"],
    ["id=x", "one of popen, worker, ssh, socket"],
    ["", "is empty"],
    ["popen//", "is empty"],
    ["popen//chdirr=x", "did you mean chdir?"],
    ["popen=1", "popen takes no value"],
    ["popen//chdir", "chdir needs a value"],
    ["popen//env=A", "env:NAME"],
    ["popen//env:A", "env:A needs a value"],
    ["popen//env:=1", "no variable"],
    ["popen//nice=fast", "-20 to 19"],
    ["popen//nice=20", "-20 to 19"],
    ["worker//chdir=x", "chdir does not go with worker"],
    ["socket=h:1//node=/n", "node does not go with socket"],
    ["popen//toString=x", "there is no"],
  ])("refuses %j and says why", (text, why) => {
    expect(refusal(text)).toContain(why);
  });
});

describe("checkSpec()", () => {
  it("takes an object, whose values may hold //", () => {
    expect(checkSpec({ popen: true, chdir: "a//b" }).chdir).toBe("a//b");
  });

  it.each([[null], [7], [{ popen: "yes" }], [{ popen: true, env: { A: 1 } }], [{ ssh: "" }]])(
    "refuses %j",
    (given) => {
      expect(() => checkSpec(given)).toThrow(/is not valid/);
    },
  );
});

describe("formatSpec()", () => {
  it("prints what parseSpec reads", () => {
    const text = "ssh=-p 22 box//id=x//chdir=d//nice=5//ssh_config=/c//env:A=1";
    expect(parseSpec(formatSpec(parseSpec(text)))).toEqual(parseSpec(text));
  });
});

describe("parseSshWords()", () => {
  it("reads ssh's options before the host, in one word or two", () => {
    expect(parseSshWords("-p 2222 -lme -i /k -F /c -o A=b=c -oD=e box")).toEqual({
      host: "box",
      port: 2222,
      user: "me",
      identity: "/k",
      config: "/c",
      settings: { A: "b=c", D: "e" },
    });
  });

  it.each(["", "-p", "-p x box", "-p 70000 box", "-A box", "box ls", "-o Abc box"])(
    "refuses %j",
    (text) => {
      expect(() => parseSshWords(text)).toThrow(/is not valid/);
    },
  );
});
