/** The process that `limiter-processes.ts` starts: an app with a limiter, and 50 connections that flood it. */
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import { createKit } from "../../src/index.ts";
import type { Flood, FloodResult, LimiterSetup } from "./limiter-processes.ts";

const { redis, ...options } = JSON.parse(process.argv[2]!) as LimiterSetup;
const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
// Nobody is answered by anything but Redis, however slow eight processes on one machine are.
const kit = createKit({ redis, logger: nowhere, deadline: "20s", connectDeadline: "20s" });
const limiter = kit.rateLimit({ ...options, onRedisError: "closed" });

const server = createServer((request, response) => {
  limiter(request, response, (error) => {
    response.statusCode = error === undefined ? 200 : 503;
    response.end();
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as { port: number };

function statusOf(agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode!));
    }).on("error", reject);
  });
}

/** Every connection sends its next request when the last one is answered. */
async function flood({ connections, requests }: Flood): Promise<FloodResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const result: FloodResult = { admitted: 0, refused: 0, failed: 0 };
  let left = requests;
  const connection = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const status = await statusOf(agent);
      if (status === 200) result.admitted += 1;
      else if (status === 429) result.refused += 1;
      else result.failed += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  agent.destroy();
  return result;
}

process.on("message", (order: Flood) => {
  void flood(order).then((result) => process.send!(result));
});
process.on("disconnect", () => process.exit()); // The tests' process is gone.
await kit.ready();
process.send!("ready");
