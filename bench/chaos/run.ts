/** Runs faults with clocks in them, all or those named: `tsx bench/chaos/run.ts [name …]`. */
import { parseArgs } from "node:util";
import { printReport } from "../support/report.ts";
import { absent } from "./absent.ts";
import { blackHole } from "./black-hole.ts";
import { blocked } from "./blocked.ts";
import { cluster } from "./cluster.ts";
import { frozen } from "./frozen.ts";
import { limits } from "./limits.ts";
import type { Scenario } from "./scenario.ts";
import { sentinel } from "./sentinel.ts";
import { sessions } from "./sessions.ts";

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  frozen,
  "black-hole": blackHole,
  absent,
  cluster,
  sentinel,
  blocked,
  limits,
  sessions,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    /** Fails where a goal is missed. */
    check: { type: "boolean", default: false },
  },
});

const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const unknown = names.find((name) => !(name in SCENARIOS));
if (unknown !== undefined) {
  throw new Error(`No scenario '${unknown}': ${Object.keys(SCENARIOS).join(", ")}.`);
}
for (const name of names) {
  process.stderr.write(`${name} …\n`);
  const report = await SCENARIOS[name]!(Number(values.rounds));
  printReport(report, values.json);
  if (values.check && report.goals.some(({ met }) => !met)) process.exitCode = 1;
}
// The peers' clients may keep sockets and timers for what they still wait for.
process.exit();
