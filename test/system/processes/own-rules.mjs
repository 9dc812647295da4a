// A program with a tree of its own, argv[2], with rules whose code is what argv[3] says. It leaves the tree open.
import { open } from "../../../dist/index.js";

const [url, what] = process.argv.slice(2);
const say = (...texts) => process.stdout.write(`${texts.join(" ")}\n`);
const tree = await open(url, url === "memory:" ? {} : { create: true, exclusive: true });
const code = {
  promises: "const again = () => void Promise.resolve().then(again); again();",
  ticks: "const again = () => void process.nextTick(again); again();",
  throws:
    'setTimeout(() => { throw new Error("later"); }); void Promise.reject(new Error("at once"));',
}[what];
const attempt = async (work) => {
  try {
    await work;
    return "written";
  } catch (error) {
    return `${error.code} ${error.details?.why} ${error.message}`;
  }
};

await tree.rules.types.set("bad", {
  code: `if (value === "x") { ${code} } if (value === "no") return "no";`,
  good: ["a", "b"],
  bad: ["no"],
});
await tree.rules.types.set("short", { schema: { maxLength: 1 }, good: ["a", "b"], bad: ["long"] });
await tree.rules.matches.set("bad.+", { type: "bad" });
await tree.rules.matches.set("fine.+", { type: "short" });
await tree.rules.codecs.set("bad", {
  decode: `if (value === "x") { ${code} } return value;`,
  encode: "return value",
  in: [["a", "a"]],
  out: [["a", "a"]],
});
await tree.rules.conversions("set").set("coded.+", { codec: "bad" });

// Together with others, which it harms not.
const [bad, ...others] = await Promise.all([
  attempt(tree.set("bad.a", "x")),
  attempt(tree.set("fine.a", "a")),
  attempt(tree.set("free.a", "anything")),
]);
say("bad:", bad);
say("others:", ...others);
say("next:", await attempt(tree.set("bad.a", "a")), await attempt(tree.set("fine.a", "long")));
say("read:", await tree.get("bad.a"), await tree.get("fine.a"));
if (url !== "memory:") {
  await tree.close();
  const coded = await open(url, { exclusive: true, codecs: "set" });
  say("coded:", await attempt(coded.set("coded.a", "x")));
  say("next:", await attempt(coded.set("coded.a", "a")), await coded.get("coded.a"));
}
