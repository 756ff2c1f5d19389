/** Runs one server and tells its port, and what it has used and been asked for when asked. */
import { createServer } from "node:http";
import { CONTENDERS, type Setting } from "./servers.ts";

/** Since the process began. */
export interface Usage {
  /** Microseconds. */
  readonly cpu: number;
  readonly requests: number;
  /** Calls of handlers. */
  readonly calls: number;
}

const [name = "", port = "", db = "", fields = "{}"] = process.argv.slice(2);
const calls = { count: 0 };
const setting: Setting = {
  port: Number(port),
  db: Number(db),
  calls,
  fields: JSON.parse(fields) as Setting["fields"],
};
const listener = await CONTENDERS[name]!.start(setting);
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
  process.send!({ cpu: user + system, requests, calls: calls.count } satisfies Usage);
});
