/** Runs one server and tells its port, and what it has used and been asked for when asked. */
import { createServer } from "node:http";
import { CONTENDERS } from "./servers.ts";

/** Since the process began. */
export interface Usage {
  /** Microseconds. */
  readonly cpu: number;
  readonly requests: number;
}

const [name = "", redisPort = ""] = process.argv.slice(2);
const listener = await CONTENDERS[name]!.start(Number(redisPort));
let requests = 0;
const server = createServer((request, response) => {
  requests += 1;
  listener(request, response);
}).listen(0, "127.0.0.1", () => {
  process.send!((server.address() as { port: number }).port);
});
process.on("message", (question) => {
  if (question === "end") process.exit();
  const { user, system } = process.cpuUsage();
  process.send!({ cpu: user + system, requests } satisfies Usage);
});
