/** Runs one server and tells its port, and what it has used and been asked for when asked. */
import { serveMeasured } from "../support/measured-server.ts";
import { CONTENDERS, type Setting } from "./servers.ts";

const [name = "", redisPort = "", fields = "{}"] = process.argv.slice(2);
const calls = { count: 0 };
const setting: Setting = {
  redisPort: Number(redisPort),
  calls,
  fields: JSON.parse(fields) as Setting["fields"],
};
const listener = await CONTENDERS[name]!.start(setting);
serveMeasured(listener, calls);
