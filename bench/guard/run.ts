/** Random interleavings of all that sessions can go through, by the thousand: `tsx bench/guard/run.ts --rounds 20000`. */
import { parseArgs } from "node:util";
import { type Report, runRounds, told } from "../../__tests__/support/guard-rounds.ts";
import { PLACES } from "./places.ts";

/** How many violations end a run. */
const ENOUGH = 20;

/** How many rounds run between two lines that say how far it is. */
const PART = 1000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20000" },
    /** `memory`, `redis` or `cluster`. */
    backend: { type: "string", default: "redis" },
    seed: { type: "string", default: "1" },
    /** The number of the first round, to see one again. */
    first: { type: "string", default: "0" },
    concurrent: { type: "string", default: "1" },
    /** A login beside as many sessions as allowed is refused. */
    refuse: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const { backend } = values;
if (backend !== "memory" && backend !== "redis" && backend !== "cluster")
  throw new Error(`No backend '${backend}': ${Object.keys(PLACES).join(", ")}.`);

const [rounds, seed, first, concurrent] = [
  values.rounds,
  values.seed,
  values.first,
  values.concurrent,
].map(Number) as [number, number, number, number];
const whenFull = values.refuse ? "refuse" : "end-oldest";

/** Adds a part's figures. */
function add(total: Report | undefined, part: Report): Report {
  if (total === undefined) return part;
  const sum = { ...part, violations: [...total.violations, ...part.violations] };
  const sums = [
    ["rounds", "requests", "logins", "refusals", "crashes", "losses", "steps", "samples"],
    ["staleLogins", "setlessReads", "keys"],
  ] as const;
  for (const name of sums.flat()) sum[name] += total[name];
  for (const name of ["most", "slots"] as const) sum[name] = Math.max(sum[name], total[name]);
  return sum;
}

const started = await PLACES[backend]();
let total: Report | undefined;
try {
  for (let done = 0; done < rounds && (total?.violations.length ?? 0) < ENOUGH; done += PART) {
    const options = { seed, first: first + done, room: { concurrent, whenFull } } as const;
    const part = await runRounds(started.place, {
      rounds: Math.min(PART, rounds - done),
      ...options,
    });
    total = add(total, part);
    if (!values.json)
      console.error(`${total.rounds} rounds, ${total.violations.length} violations`);
  }
} finally {
  await started.stop();
}

const { violations, ...figures } = total ?? { violations: [] };
if (values.json) console.log(JSON.stringify({ backend, seed, ...figures, violations }));
else {
  console.table({ backend, seed, ...figures, violations: violations.length });
  if (total) for (const text of told(total)) console.log(`\n${text}`);
}
process.exitCode = violations.length > 0 ? 1 : 0;
