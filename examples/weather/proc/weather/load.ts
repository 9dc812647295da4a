// banyan: { is_async: true, vars: [every] }
// Runs on every node of the group and tells how busy that node is.
import { loadavg } from "node:os";

await _self.setupDone();
while (!_self.cancelled) {
  await _client.set(["weather", "load", _self.node], {
    load: loadavg()[0],
    mb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  });
  await _self.timer(every);
}
