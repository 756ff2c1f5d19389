/** Runs one server and tells its port, and what it has used and been asked for when asked. */
import { serveMeasured } from "../support/measured-server.ts";
import { CONTENDERS } from "./servers.ts";

const [name = "", redisPort = ""] = process.argv.slice(2);
const listener = await CONTENDERS[name]!.start(Number(redisPort));
serveMeasured(listener);
