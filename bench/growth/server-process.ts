/** Runs the app and tells its port; then what it has used, what it holds, and which maps hold how much. */
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { createApp, DEADLINE, openKit } from "./app.ts";
import { mapsOf } from "./maps.ts";
import type { Memory, Usage } from "./server.ts";

/** Finalizers and weak references free a little more each time. */
const COLLECTIONS = 3;

async function memory(): Promise<Memory> {
  const { rss } = process.memoryUsage();
  // A command's clock may hold it until then, answered or not: that would be a measure of the last second's speed.
  await delay(DEADLINE + 100);
  for (let n = 0; n < COLLECTIONS; n += 1) {
    globalThis.gc!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, external };
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpu: user + system, requests };
}

let requests = 0;
const listener = createApp(await openKit(Number(process.argv[2])));
const server = createServer((request, response) => {
  requests += 1;
  listener(request, response);
}).listen(0, "127.0.0.1", () => {
  process.send!((server.address() as { port: number }).port);
});
process.on("message", async (question) => {
  if (question === "end") process.exit();
  process.send!(
    question === "memory" ? await memory() : question === "maps" ? await mapsOf() : usage(),
  );
});
