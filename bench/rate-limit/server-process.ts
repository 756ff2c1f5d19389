/** Runs one server and tells its port, and what CPU it has used when asked. */
import { createServer } from "node:http";
import { BARE, CONTENDERS } from "./servers.ts";

const [name = "", redisPort = "", limit = "", status = "", body = ""] = process.argv.slice(2);
const start = CONTENDERS[name]?.start ?? BARE[name]!;
const listener = await start(Number(redisPort), Number(limit), { status: Number(status), body });
const server = createServer(listener).listen(0, "127.0.0.1", () => {
  process.send!((server.address() as { port: number }).port);
});
process.on("message", (question) => {
  if (question === "end") process.exit();
  const { user, system } = process.cpuUsage();
  process.send!(user + system);
});
