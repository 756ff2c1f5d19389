/** The functions that cost most in a CPU profile: `tsx bench/support/hottest.ts file.cpuprofile [count]`. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** What V8 calls time in which nothing runs. */
const IDLE = new Set(["(idle)", "(program)", "(root)"]);

/** Functions by the share of the busy time that was spent in themselves, callees not included. */
export function hottest(profile: Profile, count: number): [name: string, share: number][] {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url === ""
        ? functionName
        : `${functionName || "(anonymous)"} ${basename(url)}:${lineNumber + 1}`,
    ]),
  );
  const times = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? "?";
    const time = profile.timeDeltas[index] ?? 0;
    if (IDLE.has(name)) continue;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  return [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => [name, time / busy]);
}

const [file, count = "15"] = process.argv.slice(2);
if (file !== undefined) {
  const profile = JSON.parse(readFileSync(file, "utf8")) as Profile;
  for (const [name, share] of hottest(profile, Number(count))) {
    process.stdout.write(`${(share * 100).toFixed(1).padStart(5)} %  ${name}\n`);
  }
}
