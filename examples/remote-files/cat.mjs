// Prints a file of another machine: node cat.mjs SPEC FILE
import { openGateway } from "banyan/gateway";

const [spec = "popen", name = "/etc/hostname"] = process.argv.slice(2);
const gateway = await openGateway(spec);
const fs = gateway.import("node:fs/promises");
process.stdout.write(await fs.readFile(name));
await gateway.terminate();
