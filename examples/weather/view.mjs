// The live view: what the tree says, drawn over itself a few times a second.
import pc from "picocolors";

const KEPT_EVENTS = 8;

export class View {
  #mirrors;
  #system;
  #where;
  #events = [];
  #owners = new Map();

  /** `where` is how people name the tree on a command line. */
  static async open(tree, { where }) {
    const mirrors = {
      weather: await tree.mirror("weather"),
      nodes: await tree.mirror(tree.system.node),
      states: await tree.mirror(tree.system.state),
    };
    return new View(mirrors, tree.system, where);
  }

  constructor(mirrors, system, where) {
    this.#mirrors = mirrors;
    this.#system = system;
    this.#where = where;
  }

  /** The whole screen as text. */
  draw({ columns = 100 } = {}) {
    const jobs = this.#jobs();
    this.#notice(jobs);
    return [
      pc.bold("Banyan: four years of Seattle's weather, on three nodes"),
      "",
      ...this.#nodeLines(jobs),
      "",
      ...this.#jobLines(jobs),
      "",
      ...this.#readingLines(),
      "",
      ...this.#events.slice(-KEPT_EVENTS),
      "",
      ...this.#help(jobs),
    ].map((line) => clip(line, columns));
  }

  #jobs() {
    const rows = [];
    for (const { path, value } of this.#mirrors.states.entries()) {
      // .banyan.state.<slot>.<job>: the slot is a node's name, or "-" for jobs that move.
      const [slot, ...name] = path.slice(2);
      if (value === undefined || name.length === 0) continue;
      const running = value.started !== null && (value.stopped ?? 0) < (value.started ?? 0);
      rows.push({ name: name.join("."), slot, running, ...value });
    }
    return rows;
  }

  #nodeLines(jobs) {
    const lines = [];
    for (const { path, value } of this.#mirrors.nodes.entries()) {
      const name = String(path.at(-1));
      const load = this.#mirrors.weather.get(["weather", "load", name]);
      const alive = value.ended === undefined;
      const mine = jobs.filter((job) => alive && job.running && job.node === name);
      const state = alive ? pc.green("alive") : pc.red("dead ");
      const facts = alive ? `pid ${value.pid}  ${load?.mb ?? "-"} MB` : "comes back";
      lines.push(
        `  ${pc.bold(name)}  ${state}  ${facts.padEnd(22)} ${mine.map((job) => job.name).join(", ")}`,
      );
    }
    return ["nodes", ...lines];
  }

  #jobLines(jobs) {
    const moving = jobs.filter((job) => job.slot === "-");
    const station = jobs.filter((job) => job.name === "weather.station");
    return [
      "jobs",
      ...[...station, ...moving].map((job) => {
        const where =
          job.running && this.#isAlive(job.node)
            ? pc.green(`on ${job.node}`)
            : pc.yellow(`waits for ${job.slot === "-" ? "a node" : job.slot}`);
        const kind = job.slot === "-" ? "any node" : `only ${job.slot}`;
        return `  ${job.name.padEnd(20)} ${kind.padEnd(10)} ${where}  ${pc.dim(`token ${job.token}, ${job.reason ?? ""}`)}`;
      }),
    ];
  }

  #isAlive(node) {
    const entry = this.#mirrors.nodes.get(this.#system.node.append(node));
    return entry !== undefined && entry.ended === undefined;
  }

  #readingLines() {
    const { weather } = this.#mirrors;
    const station = weather.get("weather.station");
    if (station === undefined) return ["readings", "  none yet"];
    const day = weather.get(["weather", "reading", station.day]);
    const month = weather.get(["weather", "month", station.day.slice(0, 7)]);
    const alarms = ["frost", "storm"].map((name) =>
      alarmText(name, weather.get(["weather", "alarm", name])),
    );
    const rain =
      month === undefined ? "" : `${(month.rain / 10).toFixed(1)} mm in ${month.days} days`;
    return [
      `readings  ${bar(station.next / station.of)} day ${station.next} of ${station.of}`,
      `  ${station.day}  ${day?.max} °C / ${day?.min} °C  rain ${day?.rain} mm  wind ${day?.wind} m/s  ${day?.sky}`,
      `  this month: ${rain}`,
      `  alarms: ${alarms.join("   ")}`,
    ];
  }

  /** Jobs that moved since the last drawing become lines of history. */
  #notice(jobs) {
    for (const job of jobs) {
      if (!job.running || job.slot !== "-") continue;
      const before = this.#owners.get(job.name);
      if (before !== undefined && before.token !== job.token) {
        const time = new Date().toLocaleTimeString();
        const way =
          before.node === job.node ? `again on ${job.node}` : `${before.node} -> ${job.node}`;
        this.#events.push(`${time}  ${job.name}: ${way}  (${job.reason}, token ${job.token})`);
      }
      this.#owners.set(job.name, { node: job.node, token: job.token });
    }
  }

  #help(jobs) {
    const holder = jobs.find((job) => job.name === "weather.statistics" && job.running)?.node;
    const pid = holder && this.#mirrors.nodes.get(this.#system.node.append(holder))?.pid;
    return [
      pc.bold("Try, in another terminal:"),
      pid === undefined
        ? "  kill -9 <pid of a node>"
        : `  kill -9 ${pid}      kills ${holder}: another node takes its jobs over at once and goes on with`,
      "                    the next day; the node comes back after 3 s",
      `  export BANYAN_TREE=${this.#where}`,
      "  npx banyan job ls   what runs where;  npx banyan data set weather.pace 0   as fast as it goes",
      pc.dim("Ctrl-C ends it."),
    ];
  }
}

function alarmText(name, alarm) {
  if (alarm === undefined) return pc.dim(`${name} -`);
  if (!alarm.active) return pc.dim(`${name} off (${alarm.raised} times)`);
  return pc.red(`${name} since ${alarm.last}: ${alarm.text}`);
}

function bar(share, width = 30) {
  const full = Math.round(share * width);
  return pc.cyan("█".repeat(full)) + pc.dim("░".repeat(width - full));
}

// oxlint-disable-next-line no-control-regex -- colour codes begin with this character
const COLOUR_OR_CHARACTER = /\u001B\[[0-9;]*m|./gu;

/** Cuts a line to the screen's width without cutting a colour code in two. */
function clip(line, columns) {
  let seen = 0;
  return line.replaceAll(COLOUR_OR_CHARACTER, (part) => {
    if (part.startsWith("\u001B")) return part;
    seen += 1;
    return seen > columns ? "" : part;
  });
}
